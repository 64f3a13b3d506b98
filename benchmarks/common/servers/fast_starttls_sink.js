// A sink with STARTTLS and AUTH that answers all that a read has brought with one write, so that the server is not the
// ceiling: node fast_starttls_sink.js PORT KEY CERTIFICATE
'use strict';
const fs = require('fs');
const net = require('net');
const tls = require('tls');
const [port, key, certificate] = process.argv.slice(2);

const context = tls.createSecureContext({ key: fs.readFileSync(key), cert: fs.readFileSync(certificate) });
const END = Buffer.from('\r\n.\r\n');
const AUTHENTICATION = Buffer.from('\0user\0correct horse').toString('base64');
const OFFERS = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'DSN'];

function ehlo(encrypted) {
  const lines = ['sink', ...OFFERS, encrypted ? 'AUTH PLAIN' : 'STARTTLS'];
  return lines.map((line, n) => `250${n === lines.length - 1 ? ' ' : '-'}${line}\r\n`).join('');
}

function answer(line, encrypted) {
  const verb = line.slice(0, 4).toUpperCase();
  if (verb === 'MAIL' || verb === 'RCPT') return '250 2.1.0 Ok\r\n';
  if (verb === 'DATA') return '354 End data with <CR><LF>.<CR><LF>\r\n';
  if (verb === 'EHLO') return ehlo(encrypted);
  if (verb === 'AUTH') return line === `AUTH PLAIN ${AUTHENTICATION}` ? '235 2.7.0 Ok\r\n' : '535 5.7.8 No\r\n';
  if (verb === 'STAR' && !encrypted) return '220 2.0.0 Go ahead\r\n';
  if (verb === 'QUIT') return '221 2.0.0 Bye\r\n';
  return '502 5.5.1 What?\r\n';
}

function serve(socket, encrypted) {
  let rest = null;
  let inData = false;
  const read = (chunk) => {
    const data = rest === null ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    let said = '';
    for (;;) {
      const end = inData ? data.indexOf(END, at) : data.indexOf(10, at);
      if (end < 0) break;
      if (inData) {
        said += '250 2.0.0 Ok: taken\r\n';
        inData = false;
        at = end + END.length;
        continue;
      }
      const line = data.latin1Slice(at, end - 1);
      const reply = answer(line, encrypted);
      said += reply;
      at = end + 1;
      inData = reply.startsWith('354');
      // The line end of DATA may be that of an empty message's dot.
      if (inData) at -= 2;
      if (reply.startsWith('220')) {
        socket.write(said);
        socket.removeListener('data', read);
        serve(new tls.TLSSocket(socket, { isServer: true, secureContext: context }), true);
        return;
      }
      if (reply.startsWith('221')) {
        socket.end(said);
        return;
      }
    }
    rest = at < data.length ? data.subarray(at) : null;
    if (said !== '') socket.write(said);
  };
  socket.on('data', read);
  socket.on('error', () => socket.destroy());
}

net
  .createServer((socket) => {
    socket.setNoDelay(true);
    socket.write('220 sink ESMTP\r\n');
    serve(socket, false);
  })
  .listen(Number(port), '127.0.0.1');

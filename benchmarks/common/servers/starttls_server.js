// npm smtp-server with STARTTLS and AUTH: node starttls_server.js CACHE PORT KEY CERTIFICATE
'use strict';
const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');
const [cache, port, key, certificate] = process.argv.slice(2);

// The package waits 100 ms before it greets, to catch clients that talk too early. That would be its time, not the
// client's, so this process greets at once.
const realSetTimeout = globalThis.setTimeout;
globalThis.setTimeout = (callback, delay, ...rest) => realSetTimeout(callback, delay === 100 ? 0 : delay, ...rest);

const { SMTPServer } = createRequire(path.join(cache, 'peers', 'package.json'))('smtp-server');
new SMTPServer({
  key: fs.readFileSync(key),
  cert: fs.readFileSync(certificate),
  disableReverseLookup: true,
  authMethods: ['PLAIN'],
  onAuth: (auth, session, done) =>
    auth.username === 'user' && auth.password === 'correct horse'
      ? done(null, { user: auth.username })
      : done(new Error('wrong password')),
  onData: (stream, session, done) => {
    stream.resume();
    stream.on('end', done);
  },
}).listen(Number(port), '127.0.0.1');

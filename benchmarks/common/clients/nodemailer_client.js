// nodemailer's own pool. The job is one line of JSON, as in job.py.
'use strict';
const fs = require('fs');
const path = require('path');
const job = JSON.parse(process.argv[2]);
const { createRequire } = require('module');
const nodemailer = createRequire(path.join(job.cache, 'peers', 'package.json'))('nodemailer');
const { message, recipient, readyMessages } = require('./messages.js').load(job.cache, job.large);

const transport = nodemailer.createTransport({
  host: job.host,
  port: job.port,
  pool: true,
  maxConnections: job.sessions,
  maxMessages: Infinity,
  ...(job.authority
    ? {
        requireTLS: true,
        tls: { ca: fs.readFileSync(job.authority) },
        auth: { user: job.username, pass: job.password },
      }
    : { ignoreTLS: true }),
});
const ready = job.ready ? readyMessages(500) : [];
const mail = (number) =>
  job.ready
    ? { envelope: { from: 'sender@example.com', to: [recipient(number)] }, raw: ready[number % 500] }
    : message(number);

async function phase(first, messages, seconds) {
  let next = first;
  let sent = 0;
  const end = performance.now() + seconds * 1000;
  const caller = async () => {
    while (next < first + messages) {
      await transport.sendMail(mail(next++));
      sent++;
      if (performance.now() > end) return;
    }
  };
  await Promise.all(Array.from({ length: job.callers }, caller));
  return sent;
}

(async () => {
  const warm = await phase(0, job.warmup_messages, job.warmup_seconds);
  const cpu = process.cpuUsage();
  const start = performance.now();
  const n = await phase(warm, job.messages, job.seconds);
  const wall = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  console.log(JSON.stringify({ n, wall, cpu: (used.user + used.system) / 1e6 }));
  transport.close();
})().catch((error) => {
  console.error(error.message);
  process.exit(1);
});

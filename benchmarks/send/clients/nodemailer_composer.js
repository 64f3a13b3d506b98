// nodemailer's MailComposer alone.
'use strict';
const path = require('path');
const job = JSON.parse(process.argv[2]);
const { createRequire } = require('module');
const MailComposer = createRequire(path.join(job.cache, 'peers', 'package.json'))('nodemailer/lib/mail-composer');
const { message } = require('../../common/clients/messages.js').load(job.cache, job.large);
const Composer = MailComposer.default || MailComposer;

async function phase(first, messages, seconds) {
  const end = performance.now() + seconds * 1000;
  for (let made = 0; made < messages; ) {
    await new Composer(message(first + made)).compile().build();
    made++;
    if (performance.now() > end) return made;
  }
  return messages;
}

(async () => {
  const warm = await phase(0, job.warmup_messages, job.warmup_seconds);
  const cpu = process.cpuUsage();
  const start = performance.now();
  const n = await phase(warm, job.messages, job.seconds);
  const wall = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  console.log(JSON.stringify({ n, wall, cpu: (used.user + used.system) / 1e6 }));
})().catch((error) => {
  console.error(error.message);
  process.exit(1);
});

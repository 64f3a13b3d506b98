// The messages of messages.py, for nodemailer.
'use strict';
const fs = require('fs');
const path = require('path');

exports.load = (cache, large) => {
  const folder = path.join(cache, 'messages');
  const parts = JSON.parse(fs.readFileSync(path.join(folder, 'parts.json')));
  const attachment = Buffer.from(parts.attachment, 'base64');
  const reference = (number) => String(number).padStart(parts.referenceDigits, '0');
  const recipient = (number) => `rcpt${number}@example.com`;
  const attached = (number) => {
    const content = Buffer.from(attachment);
    content.write(reference(number));
    return [{ filename: parts.filename, content, contentType: 'application/pdf' }];
  };
  return {
    recipient,
    message: (number) => ({
      from: { name: parts.senderName, address: parts.sender },
      to: { name: parts.receiverName, address: recipient(number) },
      subject: `${parts.subject} ${number}`,
      text: `${parts.text}Reference ${reference(number)}\n`,
      html: `${parts.html}<p>Reference ${reference(number)}</p></body></html>\n`,
      headers: { 'X-Token': reference(number) },
      attachments: large ? attached(number) : undefined,
    }),
    readyMessages: (count) => {
      const whole = fs.readFileSync(path.join(folder, large ? 'large.eml' : 'small.eml'));
      const at = whole.indexOf('X-Token: ') + 'X-Token: '.length;
      return Array.from({ length: count }, (_, number) => {
        const copy = Buffer.from(whole);
        copy.write(reference(number), at);
        return copy;
      });
    },
  };
};

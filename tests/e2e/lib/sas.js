// Tokens of every shape, good and bad. Source: docs/spec/quotas-errors-auth.md 12.
'use strict';
const { createHmac } = require('node:crypto');

const now = () => Math.floor(Date.now() / 1000);

// {sr, key, skn?, se?, raw?}: `sr` is encoded unless `raw`. Without `se` it is good for an hour.
function sas({ sr, key, skn, se = now() + 3600, raw = false, order = ['sr', 'sig', 'se', 'skn'], rename }) {
  const resource = raw ? sr : encodeURIComponent(sr);
  const sig = createHmac('sha256', Buffer.from(key, 'base64')).update(`${resource}\n${se}`).digest('base64');
  const fields = { sr: resource, sig: encodeURIComponent(sig), se, skn };
  const text = order
    .filter((name) => fields[name] !== undefined)
    .map((name) => `${rename ? rename(name) : name}=${fields[name]}`)
    .join('&');
  return `SharedAccessSignature ${text}`;
}

module.exports = { now, sas };

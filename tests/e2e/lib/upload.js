// A device that uploads files with the SDK, in a process of its own: the SDK's storage client trusts what Node
// trusts at its start, so the hub's CA comes by NODE_EXTRA_CA_CERTS.
//
//   node upload.js CONNECTION_STRING TRANSPORT NAME SIZE     prints "done", or the error, and ends
'use strict';
const { execFile } = require('node:child_process');
const { Readable } = require('node:stream');

// The bytes that a file of this size has here.
const content = (size) => Buffer.alloc(size, 'muster uploads files. ');

function upload(hub, connectionString, transport, name, size) {
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: hub.caFile };
  const args = [__filename, connectionString, transport, name, size];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env, timeout: 120000 }, (error, stdout, stderr) =>
      resolve({ ok: !error && stdout.trim() === 'done', text: stdout + stderr }));
  });
}

async function main([connectionString, transport, name, size]) {
  const { Client } = require('azure-iot-device');
  const { NoRetry } = require('azure-iot-common');
  const transports = { mqtt: require('azure-iot-device-mqtt').Mqtt, http: require('azure-iot-device-http').Http };
  const client = Client.fromConnectionString(connectionString, transports[transport]);
  client.setRetryPolicy(new NoRetry());
  const bytes = content(Number(size));
  try {
    await client.uploadToBlob(name, Readable.from(bytes.length > 0 ? [bytes] : []), bytes.length);
    console.log('done');
  } catch (error) {
    console.log(error.name, error.message, error.statusCode ?? '', error.innerError?.message ?? '');
  }
  process.exit();
}

if (require.main === module) main(process.argv.slice(2));
module.exports = { content, upload };

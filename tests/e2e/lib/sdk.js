// The official SDKs, opened against a hub of ours.
'use strict';
const device = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const service = require('azure-iothub');
const { Inbox } = require('./wait');

const TRANSPORTS = { mqtt: Mqtt, 'mqtt over websocket': MqttWs };

const registryOf = (hub, policy) => service.Registry.fromConnectionString(hub.connectionString(policy));
const jobsOf = (hub, policy) => service.JobClient.fromConnectionString(hub.connectionString(policy));
const callerOf = (hub, policy) => service.Client.fromConnectionString(hub.connectionString(policy));

// Create a device: {deviceId, key, secondaryKey}.
async function newDevice(hub, deviceId, more = {}) {
  const { responseBody } = await registryOf(hub).create({ deviceId, ...more });
  const keys = responseBody.authentication.symmetricKey;
  return { deviceId, key: keys.primaryKey, secondaryKey: keys.secondaryKey };
}

// An SDK client of a device, not yet open.
function clientOf(hub, { deviceId, key }, transport = 'mqtt', options = {}) {
  const client = device.Client.fromConnectionString(hub.deviceConnectionString(deviceId, key), TRANSPORTS[transport]);
  client.setOptions({ ca: hub.ca, ...options });
  client.on('error', () => {});
  return client;
}

// An SDK client of a module, not yet open; `identity` as the registry gives it.
function moduleOf(hub, { deviceId, moduleId, authentication }, transport = 'mqtt') {
  const text = `${hub.deviceConnectionString(deviceId, authentication.symmetricKey.primaryKey)};ModuleId=${moduleId}`;
  const client = device.ModuleClient.fromConnectionString(text, TRANSPORTS[transport]);
  client.setOptions({ ca: hub.ca });
  client.on('error', () => {});
  return client;
}

async function openClient(hub, identity, transport, options) {
  const client = clientOf(hub, identity, transport, options);
  await client.open();
  return client;
}

// Answer calls of `name` with {status, payload}, and keep them. Resolves when the hub knows of the
// subscription (the SDK gives no word of it, so the first answered call would otherwise be a race).
function onMethod(client, name, answer) {
  const calls = new Inbox(`call of ${name}`);
  client.onDeviceMethod(name, async (request, response) => {
    calls.push(request);
    const { status, payload } = await answer(request);
    response.send(status, payload).catch(() => {});
  });
  return calls;
}

// The SDK's twin, with desired changes in an inbox. The first one is the whole section, by the SDK.
async function openTwin(client) {
  const twin = await client.getTwin();
  const desired = new Inbox('desired change');
  twin.on('properties.desired', (delta) => desired.push(delta));
  const report = (patch) => new Promise((resolve, reject) =>
    twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve())));
  return { twin, desired, report };
}

module.exports = { TRANSPORTS, callerOf, clientOf, jobsOf, moduleOf, newDevice, onMethod, openClient, openTwin, registryOf };

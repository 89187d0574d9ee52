// One hub for the tests of a file, and what they all check.
'use strict';
const assert = require('node:assert/strict');
const { after, before, describe } = require('node:test');
const { startHub } = require('./hub');
const { Rest } = require('./http');

// describe() with a running hub: `body` gets an object that has `hub` and `rest` by the time that
// the tests run.
function withHub(name, body, options) {
  describe(name, () => {
    const it = { hub: null, rest: null };
    before(async () => {
      it.hub = await startHub(options);
      it.rest = new Rest(it.hub);
    });
    body(it);
    // Hooks run in this order, so the tests' own come first: a client of the SDK that is closed when its hub
    // has gone tries for four minutes to come back.
    after(async () => {
      if (!it.hub) return;
      it.rest.close();
      await it.hub.finish();
    });
  });
}

// Every error has the catalogue's form and the headers that SDKs read (docs/spec/service-rest.md 3.1).
function assertFault(answer, status, name, text = /./) {
  const what = `${answer.status} ${answer.text}`;
  assert.equal(answer.status, status, what);
  assert.equal(answer.headers['iothub-errorcode'], name, what);
  assert.match(answer.headers['content-type'], /application\/json; charset=utf-8/);
  const found = /^ErrorCode:([A-Za-z]+);([^;]+)$/.exec(answer.json.Message);
  assert.ok(found, `Node splits at every semicolon, so there may be one only: ${what}`);
  assert.equal(found[1], name);
  assert.match(found[2], text);
  assertTracked(answer, answer.json.ExceptionMessage);
}

// Form C, of direct methods: the message is JSON in JSON (3.3).
function assertMethodFault(answer, status, code, name) {
  const what = `${answer.status} ${answer.text}`;
  assert.equal(answer.status, status, what);
  assert.equal(answer.headers['iothub-errorcode'], name, what);
  assert.equal(answer.json.ExceptionMessage, '', 'present and empty');
  const inner = JSON.parse(answer.json.Message);
  assert.equal(inner.errorCode, code, what);
  assert.ok(inner.message.length > 0);
  assert.ok(inner.trackingId.length > 0);
  assert.match(inner.timestampUtc, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$/);
}

function assertTracked(answer, tracking) {
  const id = answer.headers['x-ms-request-id'];
  assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'a GUID');
  assert.match(tracking, /^Tracking ID:[0-9a-f]{32}(-G:\d+)?-TimeStamp:\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d$/i);
  assert.equal(tracking.slice(12, 44).toLowerCase(), id.replaceAll('-', '').toLowerCase());
}

// Rejects with an SDK error of that class.
const sdkError = (name) => (error) => {
  assert.equal(error.name, name, `${error.name}: ${error.message}`);
  return true;
};

module.exports = { assertFault, assertMethodFault, sdkError, withHub };

// What is refused, and how: every operation of docs/openapi.yaml, times every policy, unknown names, wrong
// methods, wrong content and wrong versions (docs/spec/quotas-errors-auth.md 7 to 11).
'use strict';
const assert = require('node:assert/strict');
const https = require('node:https');
const { it } = require('node:test');
const { METHODS, fill, operations } = require('./lib/openapi');
const { Rest } = require('./lib/http');
const { sas } = require('./lib/sas');
const { assertFault, assertMethodFault, withHub } = require('./lib/suite');

const CODES = {
  ArgumentNull: 400005, IotHubFormatError: 400006, InvalidProtocolVersion: 400001, IotHubUnauthorizedAccess: 401002, IotHubUnauthorized: 401003,
  DeviceMessageLockLost: 412002, DeviceNotFound: 404001, ModuleNotFound: 404010, MessageTooLarge: 413001, ThrottlingException: 429001,
};
const POLICIES = {
  iothubowner: ['RegistryRead', 'RegistryWrite', 'ServiceConnect', 'DeviceConnect', 'All'],
  service: ['ServiceConnect'],
  device: ['DeviceConnect'],
  registryRead: ['RegistryRead'],
  registryReadWrite: ['RegistryRead', 'RegistryWrite'],
};
const NOBODY = new Proxy({}, { has: () => true, get: (_, name) => (typeof name === 'string' ? `no-such-${name}` : undefined) });
const guarded = operations.filter((operation) => !operation.open);
const talking = guarded.filter((operation) => operation.json);

function refused(operation, answer, status, name) {
  if (operation.inner) assertMethodFault(answer, status, CODES[name] || status * 1000, name);
  else assertFault(answer, status, name);
}

// A path of the document for concrete words: /devices/query is no device's.
const fits = (template, words) => {
  const pattern = template.split('/');
  return pattern.length === words.length && pattern.every((word, i) => word.startsWith('{') || word === words[i]);
};

withHub('refusals', (it_) => {
  const rests = {};
  const rest = (policy) => (rests[policy] ||= new Rest(it_.hub, policy));
  // Asked so that nothing happens: unknown names, and no body that could be read.
  const ask = (operation, options = {}, policy = 'iothubowner') =>
    rest(policy).call(operation.stream ? 'HEAD' : operation.method, fill(operation, NOBODY), operation.json ? '{' : undefined, options);

  it('without a token nobody gets in', async () => {
    for (const operation of guarded) {
      if (operation.stream) continue; // HEAD has no body to look at; the next test has its status
      const name = operation.rights.includes('DeviceConnect') ? 'IotHubUnauthorized' : 'IotHubUnauthorizedAccess';
      refused(operation, await ask(operation, { auth: null }), 401, name);
    }
  });

  it('nor with one that is wrong', async () => {
    const { hub } = it_;
    const key = hub.policyKey('iothubowner');
    const tokens = {
      'another key': sas({ sr: hub.host, key: hub.policyKey('service'), skn: 'iothubowner' }),
      'an unknown policy': sas({ sr: hub.host, key, skn: 'nobody' }),
      'another hub': sas({ sr: 'other.hub.test', key, skn: 'iothubowner' }),
      'no policy': sas({ sr: hub.host, key }),
      'expired': sas({ sr: hub.host, key, skn: 'iothubowner', se: Math.floor(Date.now() / 1000) - 301 }),
      'not a token': 'SharedAccessSignature',
      'another scheme': 'Basic aTpp',
    };
    for (const [rule, auth] of Object.entries(tokens))
      for (const operation of guarded) {
        const { status } = await ask(operation, { auth });
        assert.equal(status, 401, `${operation.name} with ${rule}`);
      }
  });

  for (const policy of Object.keys(POLICIES))
    it(`the policy ${policy} opens what the page says, and nothing else`, async () => {
      for (const operation of guarded) {
        const { status, text } = await ask(operation, {}, policy);
        const may = operation.rights.some((right) => POLICIES[policy].includes(right));
        assert.ok(operation.rights.length > 0, `${operation.name} names no right`);
        assert.equal(status !== 401, may, `${operation.name}: ${status} ${text}`);
      }
    });

  it('names that nobody has are not found, by their own word', async () => {
    for (const operation of guarded.filter((o) => o.unknown && !o.stream)) {
      const body = operation.json ? operation.json.example : undefined;
      const answer = await rest('iothubowner').call(operation.method, fill(operation, NOBODY), body);
      refused(operation, answer, Math.floor((CODES[operation.unknown] || 404000) / 1000), operation.unknown);
    }
  });

  it('every operation with a name in its path says what becomes of an unknown one', () => {
    for (const operation of guarded.filter((o) => o.template.includes('{')))
      assert.ok(operation.unknown || operation.method === 'PUT', `${operation.name} has no x-unknown`);
  });

  it('a known path with another method is 405', async () => {
    let count = 0;
    for (const { template } of operations)
      for (const method of METHODS.map((m) => m.toUpperCase())) {
        const words = template.replace(/\{(\w+)\}/g, 'no-such-$1').split('/');
        if (operations.some((o) => o.method === method && fits(o.template, words))) continue;
        assertFault(await rest('iothubowner').call(method, words.join('/')), 405, 'GenericMethodNotAllowed');
        count++;
      }
    assert.ok(count > 50);
  });

  it('an unknown path is 404, with and without a token', async () => {
    for (const path of ['/', '/nowhere', '/devices/a/b/c/d/e/f/g/h', '/jobs/v2//cancel', '/twins', '/devices/%zz'])
      for (const auth of [undefined, null]) {
        const answer = await rest('iothubowner').get(path, auth === null ? { auth } : {});
        const [status, name] = path.includes('%') ? [400, 'ArgumentInvalid'] : [404, 'GenericNotFound'];
        assertFault(answer, status, name);
      }
  });

  it('what is not JSON is IotHubFormatError', async () => {
    for (const operation of talking)
      for (const body of ['{', 'hello', '{"a":1,}', '{"a":1}{}', '{"a":1,"a":2}', Buffer.from('"\xff"', 'latin1')]) {
        const answer = await rest('iothubowner').call(operation.method, fill(operation, NOBODY), body);
        refused(operation, answer, 400, 'IotHubFormatError');
      }
  });

  it('no body where one is needed is ArgumentNull', async () => {
    for (const operation of talking.filter((o) => o.body.required)) {
      const answer = await rest('iothubowner').call(operation.method, fill(operation, NOBODY));
      refused(operation, answer, 400, 'ArgumentNull');
    }
  });

  it('JSON of another kind is an error of the caller', async () => {
    for (const operation of talking)
      for (const body of ['null', '1', '"text"', '[1]', '[[]]', 'true']) {
        const { status, text, headers } = await rest('iothubowner').call(operation.method, fill(operation, NOBODY), body);
        assert.ok([400, 404].includes(status), `${operation.name} with ${body}: ${status} ${text}`);
        assert.ok(headers['iothub-errorcode'], operation.name);
      }
  });

  it('JSON that nests too deep or is too large is refused before it is read', async () => {
    const deep = `${'['.repeat(100)}${']'.repeat(100)}`;
    for (const operation of talking) {
      refused(operation, await rest('iothubowner').call(operation.method, fill(operation, NOBODY), deep), 400, 'IotHubFormatError');
      const { status, name } = await announce(operation, 1 << 30);
      assert.deepEqual([status, name], [413, 'MessageTooLarge'], operation.name);
    }
  });

  // A request with a Content-Length whose body never comes.
  const announce = (operation, length) => new Promise((resolve, reject) => {
    const { hub } = it_;
    const request = https.request({
      host: hub.host, port: 443, method: operation.method, path: `${fill(operation, NOBODY)}?api-version=2021-04-12`,
      headers: { Authorization: rest('iothubowner').token(), 'Content-Length': length, 'Content-Type': 'application/json' },
    }, (response) => {
      response.resume();
      resolve({ status: response.statusCode, name: response.headers['iothub-errorcode'] });
      request.destroy();
    });
    request.on('error', reject);
    request.flushHeaders();
  });

  it('a wrong api-version is InvalidProtocolVersion', async () => {
    for (const operation of guarded.filter((o) => !o.stream))
      for (const version of [null, '', 'latest', '2015-12-31', '2021-13-01', '2021-04-12-beta'])
        refused(operation, await ask(operation, { version }), 400, 'InvalidProtocolVersion');
  });

  it('any date from 2016 on is a version', async () => {
    for (const version of ['2016-02-03', '2016-09-30-preview', '2019-06-30', '2020-09-30', '2021-04-12', '2024-03-31'])
      assert.equal((await rest('iothubowner').get('/statistics/devices', { version })).status, 200);
  });

  it('each operation draws on the class that the page names', async () => {
    const owner = rest('iothubowner');
    await owner.put('/quotas', { profile: 'S1', units: 1 }); // what a large hub takes is forgotten before it is read
    const taken = async () => Object.fromEntries((await owner.get('/quotas')).json.classes.map((c) => [c.name, c.taken]));
    for (const operation of guarded.filter((o) => !o.stream)) {
      const body = operation.json ? operation.json.example : undefined;
      if (['setQuotas', 'createPolicy'].includes(operation.id)) continue; // they draw on nothing, and would change the hub
      let drawn = [];
      for (let tries = 0; drawn.length === 0 && tries < (operation.quota ? 50 : 1); tries++) { // a quick bucket may be empty again
        const before = await taken();
        await owner.call(operation.method, fill(operation, NOBODY), body);
        const after = await taken();
        drawn = Object.keys(after).filter((name) => after[name] > before[name]);
      }
      assert.deepEqual(drawn, operation.quota ? [operation.quota] : [], operation.name);
    }
    await owner.put('/quotas', { profile: 'none' });
  });

  it('goodbye', () => Object.values(rests).forEach((r) => r.close()));
});

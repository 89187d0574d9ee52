// docs/openapi.yaml as tests use it: a list of operations, and a judge of answers.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const Ajv = require('ajv/dist/2020');
const YAML = require('yaml');

const root = path.join(__dirname, '../../..');
const METHODS = ['get', 'put', 'post', 'patch', 'delete'];
const doc = YAML.parse(fs.readFileSync(path.join(root, 'docs/openapi.yaml'), 'utf8'));

const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
ajv.addSchema({ $id: 'muster', components: doc.components });
const compiled = new Map();

function valid(schema, value) {
  const text = JSON.stringify(schema).replaceAll('"#/components/', '"muster#/components/');
  if (!compiled.has(text)) compiled.set(text, ajv.compile(JSON.parse(text)));
  const check = compiled.get(text);
  return check(value) ? null : ajv.errorsText(check.errors, { separator: '\n  ' });
}

function resolve(node) {
  while (node && node.$ref) node = node.$ref.slice(2).split('/').reduce((at, key) => at[key], doc);
  return node;
}

const operations = Object.entries(doc.paths).flatMap(([template, item]) =>
  METHODS.filter((method) => item[method]).map((method) => {
    const op = item[method];
    const parameters = [...(item.parameters || []), ...(op.parameters || [])].map(resolve);
    const json = op.requestBody && op.requestBody.content['application/json'];
    const ok = Object.keys(op.responses).find((status) => status < 300);
    return {
      id: op.operationId,
      name: `${method.toUpperCase()} ${template}`,
      method: method.toUpperCase(),
      template,
      parameters,
      op,
      json,
      body: op.requestBody,
      open: op.security && op.security.length === 0,
      rights: op['x-rights'] || [],
      quota: op['x-quota'],
      unknown: op['x-unknown'],
      ours: op['x-ours'],
      stream: !!(op.responses[ok].content || {})['text/event-stream'],
      inner: JSON.stringify(op.responses['401'] || '').includes('Method'), // errors have form C
    };
  }));
const byId = Object.fromEntries(operations.map((operation) => [operation.id, operation]));

// The path with names from `names`, else with the document's examples.
function fill(operation, names = {}) {
  return operation.template.replace(/\{(\w+)\}/g, (_, name) => {
    const parameter = operation.parameters.find((p) => p.in === 'path' && p.name === name);
    assert.ok(parameter, `${operation.name} has no parameter ${name}`);
    const value = name in names ? names[name] : parameter.example;
    assert.ok(value !== undefined, `${operation.name}: parameter ${name} has no example`);
    return encodeURIComponent(value);
  });
}

function responseOf(operation, status) {
  return resolve(operation.op.responses[status]);
}

// Fails unless the document says that this answer may come.
function checkAnswer(operation, answer) {
  const what = `${operation.name}: ${answer.status} ${answer.text.slice(0, 2000)}`;
  const response = responseOf(operation, String(answer.status));
  assert.ok(response, `not in the document: ${what}`);
  for (const [name, header] of Object.entries(response.headers || {})) {
    const { required, schema } = resolve(header);
    const value = answer.headers[name.toLowerCase()];
    assert.ok(value !== undefined || !required, `the header ${name} is missing: ${what}`);
    if (value !== undefined) assert.equal(valid(schema, value), null, `the header ${name}: ${what}`);
  }
  const media = (answer.headers['content-type'] || '').split(';')[0];
  const contents = Object.keys(response.content || {});
  if (contents.length === 0) {
    assert.equal(answer.text, '', what);
    return;
  }
  assert.ok(contents.includes(media), `${media} is not in the document: ${what}`);
  const value = media === 'application/json' ? answer.json : answer.text;
  const wrong = valid(response.content[media].schema, value);
  assert.equal(wrong, null, `${what}\n  ${wrong}`);
}

module.exports = { METHODS, byId, checkAnswer, doc, fill, operations, resolve, responseOf, root, valid };

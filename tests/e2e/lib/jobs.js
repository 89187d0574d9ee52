// Jobs, seen from outside: their states and their records.
'use strict';
const { until } = require('./wait');

const FINAL = ['completed', 'failed', 'cancelled'];

// GET until the job is final (or in `state`); gives the whole JobResponse.
function jobIn(rest, id, states = FINAL, ms) {
  return until(async () => {
    const answer = await rest.get(`/jobs/v2/${id}`);
    if (answer.status !== 200) throw new Error(`${id}: ${answer.status} ${answer.text}`);
    return [states].flat().includes(answer.json.status) && answer.json;
  }, `job ${id} is ${states}`, ms);
}

// All rows of a query, page by page.
async function allRows(rest, query, max) {
  const rows = [];
  for (let token; ;) {
    const answer = await rest.query(query, { max, token });
    if (answer.status !== 200) throw new Error(`${query}: ${answer.status} ${answer.text}`);
    rows.push(...answer.json);
    token = answer.headers['x-ms-continuation'];
    if (token === undefined) return rows;
  }
}

const recordsOf = (rest, id) => allRows(rest, `SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '${id}'`);

// Create many devices, some at a time.
async function makeDevices(rest, ids) {
  const left = [...ids];
  const worker = async () => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      const answer = await rest.put(`/devices/${id}`, {});
      if (answer.status !== 200) throw new Error(`${id}: ${answer.status} ${answer.text}`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}

module.exports = { allRows, jobIn, makeDevices, recordsOf };

// Waiting for what happens, with a deadline that only a failure meets.
'use strict';

const DEADLINE_MS = 60000;
const POLL_MS = 20;

// The value of the promise, or an error that says what did not happen. A wait of Infinity does not keep
// the process alive.
function within(promise, what, ms = DEADLINE_MS) {
  if (ms === Infinity) return promise;
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`did not happen in ${ms} ms: ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// The first truthy value of `look`. For state that the hub only gives when asked.
async function until(look, what, ms = DEADLINE_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const got = await look();
    if (got) return got;
    if (Date.now() > end) throw new Error(`did not happen in ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

// Events as they come, to be awaited one by one.
class Inbox {
  constructor(name = 'event') {
    this.name = name;
    this.items = [];
    this.waiting = [];
    this.count = 0;
  }

  push(item) {
    this.count += 1;
    const taker = this.waiting.shift();
    if (taker) taker(item);
    else this.items.push(item);
  }

  next(ms) {
    if (this.items.length) return Promise.resolve(this.items.shift());
    return within(new Promise((resolve) => this.waiting.push(resolve)), `a ${this.name}`, ms);
  }
}

module.exports = { Inbox, until, within };

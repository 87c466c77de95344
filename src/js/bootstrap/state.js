// $state: keys of JSON values that are fetched from the host when they are read, changed here, and
// handed back, each as a whole, when the handler ends or waits.
//
//   $state ── key ──► cell { value } ── objects in it ──► proxies that lead back to the cell
//
// A cell holds the very object that was written, as any variable would: what is done to it is handed
// over, whether it was done through $state or not. Only what cannot be changed (frozen input), belongs to
// another key, or is no plain JSON is copied, when it is written or first looked at.

let cells = create(null); // by key
let firstWritten = null; // cells to hand back, linked in the order of the first write
let lastWritten = null;
let run = 0; // counts the handler's runs: it starts, and goes on after each wait
let handedOver = null; // what was handed over while the handler may still hold it: { cell, text, next }

const proxies = makeTable(); // object -> its proxy
const origins = makeTable(); // proxy -> { cell, target }

function describeKey(key) {
  return '$state[' + stringify(key) + ']';
}

// --- cells

function cellOf(key) {
  let cell = cells[key];
  if (cell === undefined) {
    cell = { __proto__: insideTraps, key, value: undefined, isRead: false, askedIn: -1, isWritten: false, holdsForeign: false, next: null };
    cells[key] = cell;
  }
  return cell;
}

function refuseSymbol(key) {
  if (typeof key === 'symbol') throw new TheTypeError('$state has no symbols as keys: ' + TheString(key));
}

function readCell(key) {
  const cell = cellOf(key);
  if (!cell.isRead) {
    // Asked for a written key, too: the right to write does not include the right to read.
    const value = answered(hostCall(op.read, key));
    if (!cell.isWritten) cell.value = value;
    cell.isRead = true;
  }
  if (!isObject(cell.value)) return cell.value;
  return viewOf(cell.value, cell, (copy) => { cell.value = copy; });
}

// Before each change of a cell or of anything in it. The host hears of the first one in every run:
// then it will ask for what has changed.
function askToWrite(cell) {
  if (cell.askedIn === run) return;
  answered(hostCall(op.mayWrite, cell.key));
  cell.askedIn = run;
}

// After each change; one that was refused has left the cell as it was.
function touch(cell) {
  // A value that was taken before the handler waited: what it is now becomes the key's value.
  if (cells[cell.key] !== cell) cells[cell.key] = cell;
  if (cell.isWritten) return;
  cell.isWritten = true;
  cell.next = null;
  if (firstWritten === null) firstWritten = cell;
  else lastWritten.next = cell;
  lastWritten = cell;
}

function writeCell(key, value) {
  const cell = cellOf(key);
  askToWrite(cell);
  const kept = adopt(value, cell);
  touch(cell);
  cell.value = kept;
}

// --- values

function refuse(cell, why) {
  throw new TheTypeError(describeKey(cell.key) + ' cannot be JSON: ' + why);
}

function copyOf(value, label) {
  const text = objectText(value, label);
  return text === undefined ? undefined : parse(text);
}

function isPlain(value) {
  const prototype = getPrototypeOf(value);
  return isArray(value) || prototype === objectPrototype || prototype === null;
}

// Whether a cell can hold the object itself: JSON would make the same of it, and it can be changed.
function canHold(value) {
  return value !== state && isPlain(value) && isExtensible(value) && typeof value.toJSON !== 'function';
}

// `value` as it is kept in `cell`. What JSON cannot carry is refused here, where it is written, and once
// more when it is handed over.
function adopt(value, cell) {
  if (typeof value === 'number') return value - value === 0 ? value : null;
  if (typeof value === 'string') {
    const place = findMalformed(value, 'value', 0);
    if (place !== undefined) refuse(cell, place);
    return value;
  }
  if (!isObject(value) && !unfit(typeof value)) return value;
  const label = describeKey(cell.key);
  const origin = origins.get(value);
  if (origin !== undefined) return origin.cell === cell ? origin.target : copyOf(origin.target, label);
  const text = objectText(value, label);
  if (text === undefined) return undefined;
  if (mayBeMalformed(text)) answeredFor(hostCall(op.check, text), value, label);
  if (!canHold(value)) return parse(text);
  cell.holdsForeign = true;
  return value;
}

// `value` as the handler sees it in `cell`; `replace` puts a copy in its place, where there has to be one:
// of what belongs to another cell, cannot be changed, or would be something else as JSON.
function viewOf(value, cell, replace) {
  const origin = origins.get(value);
  if (origin !== undefined && origin.cell === cell) return value;
  const proxy = proxies.get(value);
  if (proxy !== undefined && origins.get(proxy).cell === cell) return proxy;
  if (proxy === undefined && origin === undefined && canHold(value)) return makeProxy(value, cell);
  const copy = copyOf(origin === undefined ? value : origin.target, describeKey(cell.key));
  replace(copy);
  return isObject(copy) ? makeProxy(copy, cell) : copy;
}

function makeProxy(target, cell) {
  // The cell is the proxy's handler: it inherits the traps.
  const proxy = new TheProxy(target, cell);
  proxies.set(target, proxy);
  origins.set(proxy, { __proto__: null, cell, target });
  return proxy;
}

function viewMember(target, name, value, cell) {
  return viewOf(value, cell, (copy) => tryDefine(target, name, dataProperty(copy)));
}

function refuseDescriptor(descriptor, where) {
  if (hasOwn(descriptor, 'get') || hasOwn(descriptor, 'set')) {
    throw new TheTypeError(where + ' cannot have getters and setters');
  }
  // The language would refuse it when it is done: a proxy's target has no such property.
  if (hasOwn(descriptor, 'configurable') && !descriptor.configurable) {
    throw new TheTypeError(where + ' cannot have properties that stay forever');
  }
}

// Of objects within a value; `this` is the cell.
const insideTraps = {
  __proto__: null,
  get(target, name) {
    const value = target[name];
    return isObject(value) && hasOwn(target, name) ? viewMember(target, name, value, this) : value;
  },
  set(target, name, value, receiver) {
    if (receiver !== proxies.get(target)) return tryDefine(receiver, name, dataProperty(value));
    refuseSymbol(name);
    askToWrite(this);
    if (name === 'length' && isArray(target)) target.length = value;
    else if (!tryDefine(target, name, dataProperty(adopt(value, this)))) return false;
    touch(this);
    return true;
  },
  deleteProperty(target, name) {
    askToWrite(this);
    const isDone = tryDelete(target, name);
    if (isDone) touch(this);
    return isDone;
  },
  defineProperty(target, name, descriptor) {
    refuseSymbol(name);
    refuseDescriptor(descriptor, describeKey(this.key));
    askToWrite(this);
    const hasValue = hasOwn(descriptor, 'value');
    if (!hasValue && hasOwn(target, name)) return true; // its attributes stay as they are
    const isLength = name === 'length' && isArray(target);
    const value = hasValue ? descriptor.value : undefined;
    const isDone = tryDefine(target, name, isLength ? descriptor : dataProperty(adopt(value, this)));
    if (isDone) touch(this);
    return isDone;
  },
  getOwnPropertyDescriptor(target, name) {
    const descriptor = getOwnPropertyDescriptor(target, name);
    if (descriptor === undefined) return undefined;
    const { writable, enumerable, configurable } = descriptor;
    return { __proto__: null, value: insideTraps.get.call(this, target, name), writable, enumerable, configurable };
  },
  setPrototypeOf() {
    throw new TheTypeError(describeKey(this.key) + ' holds JSON, which has no prototypes');
  },
  preventExtensions() {
    throw new TheTypeError(describeKey(this.key) + ' cannot be frozen');
  },
};

// --- $state itself

// Whether a key is there; undefined where the handler may not know.
function isThere(key) {
  const there = hostCall(op.has, key);
  if (there === undefined) return undefined;
  const cell = cells[key];
  return cell !== undefined && cell.isWritten ? cell.value !== undefined : answered(there);
}

// Asked for by the language itself (await, JSON.stringify): no access to a key unless it is one.
function isProbed(key) {
  return key === 'then' || key === 'toJSON';
}

const stateTraps = {
  __proto__: null,
  get(target, key) {
    if (typeof key === 'symbol' || (isProbed(key) && isThere(key) !== true)) return undefined;
    return readCell(key);
  },
  set(target, key, value, receiver) {
    // Of an object that inherits from $state it is an own property.
    if (receiver !== state) return tryDefine(receiver, key, dataProperty(value));
    refuseSymbol(key);
    writeCell(key, value);
    return true;
  },
  deleteProperty(target, key) {
    refuseSymbol(key);
    writeCell(key, undefined);
    return true;
  },
  has(target, key) {
    return typeof key !== 'symbol' && isThere(key) === true;
  },
  ownKeys() {
    const stored = hostCall(op.keys);
    const names = [];
    let count = 0;
    for (let i = 0; i < stored.length; i++) {
      const cell = cells[stored[i]];
      const isDeleted = cell !== undefined && cell.isWritten && cell.value === undefined;
      if (!isDeleted) tryDefine(names, count++, dataProperty(stored[i]));
    }
    for (let cell = firstWritten; cell !== null; cell = cell.next) {
      const isNew = cells[cell.key] === cell && cell.value !== undefined && hostCall(op.has, cell.key) === false;
      if (isNew) tryDefine(names, count++, dataProperty(cell.key));
    }
    return names;
  },
  getOwnPropertyDescriptor(target, key) {
    if (typeof key === 'symbol' || isThere(key) !== true) return undefined;
    return dataProperty(readCell(key));
  },
  defineProperty(target, key, descriptor) {
    refuseSymbol(key);
    refuseDescriptor(descriptor, '$state');
    if (hasOwn(descriptor, 'value')) writeCell(key, descriptor.value);
    else askToWrite(cellOf(key));
    return true;
  },
  getPrototypeOf() {
    return null;
  },
  setPrototypeOf() {
    throw new TheTypeError('$state has no prototype');
  },
  preventExtensions() {
    throw new TheTypeError('$state cannot be frozen');
  },
};

const state = new TheProxy(create(null), stateTraps);

// An object that was handed over before the handler waited, and was changed since: it becomes the value
// of its key again.
function findLateChanges() {
  let kept = handedOver;
  handedOver = null;
  for (; kept !== null; kept = kept.next) {
    const { cell, text } = kept;
    const current = cells[cell.key];
    if (cell.isWritten || (current !== undefined && current.isWritten)) continue;
    if (textOf(cell.value, describeKey(cell.key)) === text) {
      handedOver = { __proto__: null, cell, text, next: handedOver };
      continue;
    }
    askToWrite(cell);
    touch(cell);
  }
}

function handOver(cell) {
  const label = describeKey(cell.key);
  const text = cell.value === undefined ? undefined : textOf(cell.value, label);
  cell.isWritten = false;
  cell.isRead = false;
  if (text === undefined) {
    answered(hostCall(op.remove, cell.key));
    return;
  }
  answeredFor(hostCall(op.set, cell.key, text), cell.value, label);
  if (cell.holdsForeign) handedOver = { __proto__: null, cell, text, next: handedOver };
}

// Hands every change to the host and forgets what was read. Values that the handler still holds lead
// back to their old cells.
function flush() {
  findLateChanges();
  for (let cell = firstWritten; cell !== null; cell = cell.next) {
    if (cells[cell.key] === cell) handOver(cell);
    else cell.isWritten = false;
  }
  cells = create(null);
  firstWritten = null;
  lastWritten = null;
  run++;
}

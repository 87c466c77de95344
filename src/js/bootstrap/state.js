// $state: keys of JSON values that are fetched from the host when they are read, changed here, and
// handed back, each as a whole, when the handler ends or waits.
//
//   $state ── key ──► cell { value } ── objects in it ──► proxies that lead back to the cell
//
// What is written is copied, as JSON; what was read from $state keeps its identity when it is moved
// within its key (sort, splice, filter), so that a change of it is still seen.

let cells = create(null); // by key
let firstWritten = null; // cells to hand back, linked in the order of the first write
let lastWritten = null;
let run = 0; // counts the handler's runs: it starts, and goes on after each wait
let hasProxies = false;

const proxies = makeTable(); // object -> its proxy
const origins = makeTable(); // proxy -> { cell, target }

function describeKey(key) {
  return '$state[' + stringify(key) + ']';
}

// --- cells

function cellOf(key) {
  let cell = cells[key];
  if (cell === undefined) {
    cell = { __proto__: insideTraps, key, value: undefined, isRead: false, askedIn: -1, isWritten: false, next: null };
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
  return wrap(cell.value, cell);
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
  const kept = adopt(value, cell, 'value', null, 0);
  touch(cell);
  cell.value = kept;
}

// --- values

function refuse(cell, why) {
  throw new TheTypeError(describeKey(cell.key) + ' cannot be JSON: ' + why);
}

// `value` as it is kept in `cell`: JSON's, and nobody else's.
function adopt(value, cell, path, ancestors, depth) {
  const type = typeof value;
  if (type === 'number') return value - value === 0 ? value : null;
  if (unfit(type)) refuse(cell, path + ' is a ' + type);
  if (type !== 'object' || value === null) return value;
  if (!hasProxies) return copyOf(value, describeKey(cell.key));
  const origin = origins.get(value);
  if (origin !== undefined) return origin.cell === cell ? origin.target : copyOf(origin.target, describeKey(cell.key));
  return adoptObject(value, cell, path, ancestors, depth);
}

function copyOf(value, label) {
  const text = objectText(value, label);
  return text === undefined ? undefined : parse(text);
}

function isPlain(value) {
  const prototype = getPrototypeOf(value);
  return isArray(value) || prototype === objectPrototype || prototype === null;
}

// As JSON.stringify would walk it, but keeping what came from the cell.
function adoptObject(value, cell, path, ancestors, depth) {
  if (depth > kDeepest) refuse(cell, 'it is nested deeper than ' + kDeepest + ' levels');
  if (typeof value.toJSON === 'function') return adopt(value.toJSON(''), cell, path, ancestors, depth + 1);
  if (!isPlain(value)) return copyOf(value, describeKey(cell.key));
  for (let a = ancestors; a !== null; a = a.next) {
    if (a.value === value) refuse(cell, path + ' contains itself');
  }
  const chain = { __proto__: null, value, next: ancestors };
  const isList = isArray(value);
  const names = isList ? value : keys(value);
  const result = isList ? [] : {};
  for (let i = 0; i < names.length; i++) {
    const name = isList ? i : names[i];
    const step = isList ? '[' + i + ']' : '.' + name;
    const member = adopt(value[name], cell, path + step, chain, depth + 1);
    if (member !== undefined) tryDefine(result, name, dataProperty(member));
    else if (isList) tryDefine(result, name, dataProperty(null));
  }
  return result;
}

function wrap(value, cell) {
  if (!isObject(value)) return value;
  let proxy = proxies.get(value);
  if (proxy === undefined) {
    // The cell is the proxy's handler: it inherits the traps.
    proxy = new TheProxy(value, cell);
    proxies.set(value, proxy);
    origins.set(proxy, { __proto__: null, cell, target: value });
    hasProxies = true;
  }
  return proxy;
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
    return isObject(value) && hasOwn(target, name) ? wrap(value, this) : value;
  },
  set(target, name, value, receiver) {
    if (receiver !== proxies.get(target)) return tryDefine(receiver, name, dataProperty(value));
    refuseSymbol(name);
    askToWrite(this);
    if (name === 'length' && isArray(target)) target.length = value;
    else if (!tryDefine(target, name, dataProperty(adopt(value, this, 'value', null, 0)))) return false;
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
    const wanted = isLength ? descriptor : dataProperty(adopt(value, this, 'value', null, 0));
    const isDone = tryDefine(target, name, wanted);
    if (isDone) touch(this);
    return isDone;
  },
  getOwnPropertyDescriptor(target, name) {
    const descriptor = getOwnPropertyDescriptor(target, name);
    if (descriptor === undefined) return undefined;
    const { value, writable, enumerable, configurable } = descriptor;
    return { __proto__: null, value: wrap(value, this), writable, enumerable, configurable };
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

// Hands every change to the host and forgets what was read. Values that the handler still holds lead
// back to their old cells.
function flush() {
  for (let cell = firstWritten; cell !== null; cell = cell.next) {
    const isCurrent = cells[cell.key] === cell;
    const text = isCurrent && cell.value !== undefined ? textOf(cell.value, describeKey(cell.key)) : undefined;
    cell.isWritten = false;
    cell.isRead = false;
    if (isCurrent) answered(text === undefined ? hostCall(op.remove, cell.key) : hostCall(op.set, cell.key, text));
  }
  cells = create(null);
  firstWritten = null;
  lastWritten = null;
  run++;
}

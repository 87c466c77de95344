// What the bootstrap is built from, taken before any handler has run. The handler may have replaced
// every global, prototype and iterator by the time the bootstrap runs again. Therefore only what was
// taken here is called, no iteration protocol is used (no spread, no for-of, no array destructuring),
// and what must not pick up inherited properties has no prototype.

const { parse, stringify } = JSON;
const { create, defineProperty, freeze, getPrototypeOf, hasOwn, isExtensible, keys } = Object;
const { isArray } = Array;
const { apply, defineProperty: tryDefine, deleteProperty: tryDelete, getOwnPropertyDescriptor } = Reflect;
const TheError = Error;
const ThePromise = Promise;
const TheProxy = Proxy;
const TheString = String;
const TheSymbol = Symbol;
const TheTypeError = TypeError;
const TheWeakMap = WeakMap;
const objectPrototype = Object.prototype;
const promisePrototype = Promise.prototype;
const { isPrototypeOf } = objectPrototype;
const { then } = promisePrototype;
const functionToString = Function.prototype.toString;
const { includes, isWellFormed, slice, toWellFormed } = String.prototype;
const { get: weakGet, has: weakHas, set: weakSet } = WeakMap.prototype;

// Not reachable: dynamic code is off in the engine itself, clocks stay at one millisecond, memory is
// not shared.
for (const name of ['eval', 'performance', 'SharedArrayBuffer', 'Atomics']) delete globalThis[name];
// It would be given the functions on the stack, the bootstrap's among them; setting it does nothing.
defineProperty(Error, 'prepareStackTrace', { get() {}, set() {}, configurable: false });

function isObject(value) {
  return typeof value === 'object' && value !== null;
}

// An own, ordinary property, whatever the object inherits.
function dataProperty(value) {
  return { __proto__: null, value, writable: true, enumerable: true, configurable: true };
}

// A WeakMap whose methods are its own.
function makeTable() {
  const table = new TheWeakMap();
  defineProperty(table, 'get', { value: weakGet });
  defineProperty(table, 'has', { value: weakHas });
  defineProperty(table, 'set', { value: weakSet });
  return table;
}

// Input is the same for all who read it. `value` is an object or array as JSON has them.
function deepFreeze(value) {
  for (const name in value) {
    const member = value[name];
    if (isObject(member)) deepFreeze(member);
  }
  return freeze(value);
}

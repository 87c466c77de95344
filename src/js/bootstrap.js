// Runs once in every base image, before any handler is loaded, and stays: it starts a handler, settles
// its outcome and makes text of it. It shares a realm with the handler, so it is convenience and never
// enforcement: whatever it hands out is checked again outside.
//
// The handler may have replaced every global, prototype and iterator by the time this runs again.
// Therefore only what was taken here is called, no iteration protocol is used (no spread, no for-of, no
// array destructuring), and what must not pick up inherited properties has no prototype.
(function (hostLog) {
  'use strict';
  const { parse, stringify } = JSON;
  const { create, defineProperty, freeze, keys } = Object;
  const { isArray } = Array;
  const { apply } = Reflect;
  const ThePromise = Promise;
  const TheString = String;
  const TheTypeError = TypeError;
  const then = Promise.prototype.then;
  const functionToString = Function.prototype.toString;
  const { slice, toWellFormed } = String.prototype;

  // Not reachable: dynamic code is off in the engine itself, clocks stay at one millisecond, memory is
  // not shared.
  for (const name of ['eval', 'performance', 'SharedArrayBuffer', 'Atomics']) delete globalThis[name];

  const kLongestPath = 256;
  const kLongestText = 16384; // of an error; the host keeps less
  const kUnfit = freeze(create(null)); // thrown for what JSON cannot carry
  const kPending = false; // the handler waits for a promise
  const kFailed = null; // failure() tells why
  const kNoValue = true; // it returned undefined
  // Any other outcome is the value's JSON text.

  let handler;
  let outcome = kPending;
  let thrown;

  // Input is the same for all who read it. `value` is an object or array as JSON has them.
  function deepFreeze(value) {
    for (const name in value) {
      const member = value[name];
      if (typeof member === 'object' && member !== null) deepFreeze(member);
    }
    return freeze(value);
  }

  function unfit(type) {
    return type === 'function' || type === 'symbol' || type === 'bigint';
  }

  // The first place that JSON cannot carry, as text: "value.items[3].callback is a function".
  function findUnfit(value, path, ancestors, depth, seeksCycle) {
    const type = typeof value;
    if (unfit(type)) return seeksCycle ? undefined : path + ' is a ' + type;
    if (type !== 'object' || value === null || depth > kLongestPath) return undefined;
    for (let a = ancestors; a !== null; a = a.next) {
      if (a.value === value) return path + ' contains itself';
    }
    const chain = { __proto__: null, value, next: ancestors };
    const names = keys(value);
    for (let i = 0; i < names.length; i++) {
      const member = value[names[i]];
      if (names[i] === 'toJSON' && typeof member === 'function') continue;
      const step = isArray(value) ? '[' + names[i] + ']' : '.' + names[i];
      const found = findUnfit(member, path + step, chain, depth + 1, seeksCycle);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  function refuseUnfit(key, value) {
    if (unfit(typeof value)) throw kUnfit;
    return value;
  }

  function encode(value) {
    const type = typeof value;
    // stringify(5) makes and frees a holder object; only its result is needed.
    if (type === 'number') return value - value === 0 ? '' + value : 'null';
    if (type === 'undefined') return kNoValue;
    if (type === 'string' || type === 'boolean' || value === null) return stringify(value);
    let isCycle = false;
    let cause = kUnfit;
    if (!unfit(type)) {
      try {
        const text = stringify(value, refuseUnfit);
        return text === undefined ? kNoValue : text; // a toJSON may return undefined
      } catch (e) {
        cause = e;
      }
      isCycle = isErrorLike(cause) && cause.message === 'circular reference';
      if (cause !== kUnfit && !isCycle) throw cause;
    }
    const place = findUnfit(value, 'value', null, 0, isCycle);
    if (place === undefined && isCycle) throw cause;
    throw new TheTypeError('the result cannot be JSON: ' +
      (place === undefined ? 'a toJSON returns what it cannot carry' : place));
  }

  function fail(error) {
    thrown = error;
    return kFailed;
  }

  function finish(value) {
    try {
      return encode(value);
    } catch (e) {
      return fail(e);
    }
  }

  function settleWith(result) {
    if ((typeof result !== 'object' || result === null) && typeof result !== 'function') {
      return finish(result);
    }
    if (typeof result.then !== 'function') return finish(result);
    const promise = result instanceof ThePromise ? result : new ThePromise((resolve) => resolve(result));
    apply(then, promise, [
      (value) => { outcome = finish(value); },
      (error) => { outcome = fail(error); },
    ]);
    return kPending;
  }

  function property(object, name) {
    try {
      const value = object[name];
      return value === undefined || value === null ? '' : TheString(value);
    } catch {
      return '';
    }
  }

  function isErrorLike(value) {
    try {
      return typeof value === 'object' && value !== null && typeof value.message === 'string';
    } catch {
      return false;
    }
  }

  function show(value) {
    if (typeof value === 'string') return value;
    if (isErrorLike(value)) return property(value, 'name') + ': ' + property(value, 'message');
    try {
      const text = typeof value === 'object' ? stringify(value) : undefined;
      return text === undefined ? TheString(value) : text;
    } catch {
      return '[' + typeof value + ']';
    }
  }

  function makeLog(level) {
    return (...values) => {
      let text = '';
      for (let i = 0; i < values.length; i++) text += (i === 0 ? '' : ' ') + show(values[i]);
      hostLog(level, text);
    };
  }
  const log = makeLog(1);
  log.debug = makeLog(0);
  log.info = makeLog(1);
  log.warn = makeLog(2);
  log.error = makeLog(3);
  freeze(log);

  const api = create(null);

  // A text that closes its wrapper early makes a function that is not the whole of it.
  api.isWhole = (candidate, text) =>
    typeof candidate === 'function' && apply(functionToString, candidate, []) === text;

  api.load = (candidate) => {
    handler = candidate;
    defineProperty(handler, 'name', { value: 'handler' });
  };

  api.run = (args) => {
    try {
      const input = typeof args === 'object' && args !== null ? deepFreeze(args) : args;
      return settleWith(handler(input, log));
    } catch (e) {
      return fail(e);
    }
  };

  api.poll = () => outcome;

  function quote(text) {
    return stringify(apply(toWellFormed, apply(slice, text, [0, kLongestText]), []));
  }

  // The reason of kFailed: its text, and its stack in the engine's form. Put together by hand: the
  // engine's stringify keeps the objects it is in, in an array whose setters may be the handler's.
  api.failure = () => {
    const error = thrown;
    let report = '{"isNull":' + (error === null);
    if (isErrorLike(error)) {
      report += ',"name":' + quote(property(error, 'name'));
      report += ',"message":' + quote(property(error, 'message'));
      report += ',"stack":' + quote(property(error, 'stack'));
    } else {
      report += ',"message":' + quote(show(error));
    }
    return apply(slice, report + '}', [0]); // one string, not a tree of parts
  };

  // For errors that no handler could catch, and those of the compiler.
  api.describe = (error) => {
    thrown = error;
    return api.failure();
  };

  return api;
})

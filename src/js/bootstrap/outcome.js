// Starting a handler, settling its outcome, and the text of what went wrong.

const kLongestText = 16384; // of an error; the host keeps less
const kPending = false; // the handler waits for a promise
const kFailed = null; // failure() tells why
const kNoValue = true; // it returned undefined
// Any other outcome is the value's JSON text.

let handler;
let outcome = kPending;
let thrown;
let finished; // the value that the outcome is the text of
const nothing = freeze({});

function fail(error) {
  thrown = error;
  return kFailed;
}

function finish(value) {
  try {
    finished = value;
    const text = textOf(value, 'the result');
    return text === undefined ? kNoValue : text;
  } catch (e) {
    return fail(e);
  }
}

function settleWith(result) {
  if (!isObject(result) && typeof result !== 'function') return finish(result);
  // Promises are known by what they are: the handler may have taken their `then` away.
  const isPromise = apply(isPrototypeOf, promisePrototype, [result]);
  if (!isPromise && typeof result.then !== 'function') return finish(result);
  const promise = isPromise ? result : new ThePromise((resolve) => resolve(result));
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

function quote(text) {
  return stringify(apply(toWellFormed, apply(slice, text, [0, kLongestText]), []));
}

const api = create(null);
api.denied = kDenied;
api.malformed = kMalformed;

// A text that closes its wrapper early makes a function that is not the whole of it.
api.isWhole = (candidate, text) =>
  typeof candidate === 'function' && apply(functionToString, candidate, []) === text;

api.load = (candidate) => {
  handler = candidate;
  defineProperty(handler, 'name', { value: 'handler' });
};

api.run = (args, scope) => {
  try {
    const input = isObject(args) ? deepFreeze(args) : args;
    const surroundings = isObject(scope) ? deepFreeze(scope) : scope === undefined ? nothing : scope;
    return settleWith(handler(input, surroundings, state, emit, view, ext, log));
  } catch (e) {
    return fail(e);
  }
};

api.poll = () => outcome;
api.settle = settle;
api.flush = flush;

// The reason of kFailed: its text, and its stack in the engine's form. Put together by hand: the
// engine's stringify keeps the objects it is in, in an array whose setters may be the handler's.
api.failure = () => {
  const error = thrown;
  let report = '{"isNull":' + (error === null);
  if (isErrorLike(error)) {
    report += ',"name":' + quote(property(error, 'name'));
    report += ',"message":' + quote(property(error, 'message'));
    report += ',"stack":' + quote(property(error, 'stack'));
    const denial = denials.get(error);
    if (denial !== undefined) report += ',"denial":' + denial;
  } else {
    report += ',"message":' + quote(show(error));
  }
  return apply(slice, report + '}', [0]); // one string, not a tree of parts
};

// When the host refuses the text of the outcome: as a failure, with the place.
api.misfit = () => {
  const place = findMalformed(finished, 'value', 0);
  thrown = new TheTypeError('the result cannot be JSON' + (place === undefined ? '' : ': ' + place));
  return api.failure();
};

// For errors that no handler could catch, and those of the compiler.
api.describe = (error) => {
  thrown = error;
  return api.failure();
};

return api;

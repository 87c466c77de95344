// Values as JSON text: what everything that leaves the sandbox is.

const kDeepest = 256; // as the host's checks

// Thrown for what JSON cannot carry.
const kUnfit = freeze(create(null));

function unfit(type) {
  return type === 'function' || type === 'symbol' || type === 'bigint';
}

function refuseUnfit(key, value) {
  if (unfit(typeof value)) throw kUnfit;
  return value;
}

function stepTo(value, name) {
  return isArray(value) ? '[' + name + ']' : '.' + name;
}

// The first place that JSON cannot carry, as text: "value.items[3].callback is a function".
function findUnfit(value, path, ancestors, depth, seeksCycle) {
  const type = typeof value;
  if (unfit(type)) return seeksCycle ? undefined : path + ' is a ' + type;
  if (type !== 'object' || value === null || depth > kDeepest) return undefined;
  for (let a = ancestors; a !== null; a = a.next) {
    if (a.value === value) return path + ' contains itself';
  }
  const chain = { __proto__: null, value, next: ancestors };
  const names = keys(value);
  for (let i = 0; i < names.length; i++) {
    const member = value[names[i]];
    if (names[i] === 'toJSON' && typeof member === 'function') continue;
    const found = findUnfit(member, path + stepTo(value, names[i]), chain, depth + 1, seeksCycle);
    if (found !== undefined) return found;
  }
  return undefined;
}

// Whether the host might refuse a text that stringify made: short ones are not nested deeply, and only
// halves of characters are written as such escapes.
function mayBeMalformed(text) {
  return text.length > 2 * kDeepest || apply(includes, text, ['\\ud']);
}

// The first place that the host refuses, as text; undefined when there is none.
function findMalformed(value, path, depth) {
  if (typeof value === 'string') {
    return apply(isWellFormed, value, []) ? undefined : path + ' holds half of a character (a lone surrogate)';
  }
  if (!isObject(value)) return undefined;
  if (depth === kDeepest) return path + ' is nested deeper than ' + kDeepest + ' levels';
  const names = keys(value);
  for (let i = 0; i < names.length; i++) {
    if (!apply(isWellFormed, names[i], [])) return path + ' has a name with half of a character (a lone surrogate)';
    const found = findMalformed(value[names[i]], path + stepTo(value, names[i]), depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isErrorLike(value) {
  try {
    return isObject(value) && typeof value.message === 'string';
  } catch {
    return false;
  }
}

// The text of an object, or of what has none and is refused; undefined where a toJSON returns that.
function objectText(value, label) {
  let isCycle = false;
  let cause = kUnfit;
  if (!unfit(typeof value)) {
    try {
      return stringify(value, refuseUnfit);
    } catch (e) {
      cause = e;
    }
    isCycle = isErrorLike(cause) && cause.message === 'circular reference';
    if (cause !== kUnfit && !isCycle) throw cause;
  }
  const place = findUnfit(value, 'value', null, 0, isCycle);
  if (place === undefined && isCycle) throw cause;
  throw new TheTypeError(label + ' cannot be JSON: ' +
    (place === undefined ? 'a toJSON returns what it cannot carry' : place));
}

// `label` is what a refusal calls the value. Undefined for what JSON leaves out.
function textOf(value, label) {
  const type = typeof value;
  // stringify(5) makes and frees a holder object; only its result is needed.
  if (type === 'number') return value - value === 0 ? '' + value : 'null';
  if (type === 'undefined') return undefined;
  if (type === 'string' || type === 'boolean' || value === null) return stringify(value);
  return objectText(value, label);
}

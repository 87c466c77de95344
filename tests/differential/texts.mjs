// Texts as the oracle has to judge them: UTF-8, JSON.

// Undefined where the bytes are not UTF-8, which they are not when the text has a lone surrogate.
export function decode(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

// At most so many bytes of a text, in whole characters.
export function cut(text, bytes) {
  const all = Buffer.from(text);
  if (all.length <= bytes) return text;
  let end = bytes;
  while ((all[end] & 0xc0) === 0x80) end--;
  return all.subarray(0, end).toString();
}

// What may leave the sandbox: at most 256 levels, no lone surrogates.
function isSound(value, depth = 0) {
  if (typeof value === 'string') return !/\p{Surrogate}/u.test(value);
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 256) return false;
  return Object.entries(value).every(([name, member]) => isSound(name) && isSound(member, depth + 1));
}

export function isSoundJson(text) {
  return text !== undefined && isSound(JSON.parse(text));
}

// The members of a JSON object as pairs of name and text.
export function membersOf(text) {
  const tokens = text.match(/"(?:\\.|[^"\\])*"|[[\]{}:,]|[^\s[\]{}:,"]+/g);
  const members = [];
  let depth = 0;
  let name;
  for (const token of tokens) {
    if (token === '}' || token === ']') depth--;
    if (depth === 1 && name === undefined && token.startsWith('"')) {
      name = JSON.parse(token);
      members.push([name, '']);
    } else if (depth === 1 && token === ',') {
      name = undefined;
    } else if (depth > 0 && name !== undefined && !(depth === 1 && token === ':')) {
      members[members.length - 1][1] += token;
    }
    if (token === '{' || token === '[') depth++;
  }
  return members;
}

// As messages show names: with no more escaped than has to be.
export function quote(text) {
  return JSON.stringify(text).replace(/\\[bfnrt]/g, (escape) =>
    `\\u00${JSON.parse(`"${escape}"`).charCodeAt(0).toString(16).padStart(2, '0')}`);
}

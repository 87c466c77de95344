// What every generated handler begins with.
//
//   trace       what the handler saw, a part of its result
//   fuel        what loops take from, so that they end
//   hostCalls   how many of those that the host limits were made in loops
//   cap         keeps what is assigned small, so that nothing doubles too often
//   structure   what a value is made of
//   show        any value as one that JSON carries
export const prelude = `const trace = [];
let fuel = 60, hostCalls = 0;
const cap = (v) => {
  if (typeof v === 'string') return v.slice(0, 200).toWellFormed();
  if (typeof v === 'bigint') return BigInt.asIntN(200, v);
  if (typeof v !== 'object' || v === null) return v;
  const size = JSON.stringify(v)?.length ?? 0;
  return size < 2000 ? v : Array.isArray(v) ? v.slice(0, 2) : { size };
};
const structure = (v) => {
  if (Array.isArray(v)) return v.map(structure);
  return v && typeof v === 'object' ? Object.keys(v) : typeof v;
};
const show = (v, d = 0) => {
  if (Object.is(v, -0)) return 'number -0';
  if (typeof v === 'number') return Number.isFinite(v) ? v : 'number ' + v;
  if (typeof v === 'string') return v.isWellFormed() ? v : Array.from(v, (c) => c.codePointAt(0));
  if (typeof v === 'function') return 'function ' + v.name;
  if (typeof v === 'boolean') return v;
  if (typeof v !== 'object') return typeof v + ' ' + String(v);
  if (v === null || d > 4) return v && '…';
  const all = (list) => Array.from(list).slice(0, 50).map((m) => show(m, d + 1));
  if (Array.isArray(v)) return all(v);
  if (v instanceof Error) return [v.name, v.message];
  if (v instanceof Map) return ['map', all(v)];
  if (v instanceof Set) return ['set', all(v)];
  if (v instanceof Date) return ['date', show(v.getTime())];
  if (v instanceof RegExp) return String(v);
  if (ArrayBuffer.isView(v) && v.length >= 0) return [v.constructor.name, all(v)];
  return Object.fromEntries(Object.entries(v).slice(0, 50).map(([k, m]) => [k, show(m, d + 1)]));
};
`;

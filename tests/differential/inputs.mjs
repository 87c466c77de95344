// What a handler gets: arguments, scope, state, rights and answers of extensions, as text; and the same
// as variables for its program.

const clocks = [0, 951_782_400_000, 1_718_452_800_123, 18_446_744_073_709];
const seeds = [0, 1, 4_294_967_295, Number.MAX_SAFE_INTEGER];

// Keys of the state by the type of their value.
const stateKeys = [
  ['count', 'num'], ['total', 'num'], ['title', 'str'], ['flag', 'bool'], ['list', 'list'],
  ['numbers', 'list'], ['names', 'strs'], ['user', 'obj'], ['settings', 'obj'], ['items', 'items'],
  ['cart', 'items'], ['extra', 'any'],
];
const oddKeys = ['', 'a b', '0', '12', 'then', 'toJSON', '__proto__', 'constructor', 'ключ', '😀', 'a:b',
  '\ufeffbom', 'length', '*'];
// Any value may be put there.
const freeKeys = ['fresh', 'copy', 'x', ...oddKeys];

const argumentTypes = [
  ['n', 'num'], ['m', 'num'], ['s', 'str'], ['flag', 'bool'], ['list', 'list'], ['names', 'strs'],
  ['options', 'obj'], ['items', 'items'], ['any', 'any'],
];
const scopeTypes = [['item', 'item'], ['index', 'num'], ['row', 'obj']];
const events = ['toast', 'refresh', 'item added', 'é'];
const components = ['logs', 'table', 'main-chart', '0'];

// Extensions by what the stub does: it answers, it fails, it says nothing.
const methods = [
  ['db', 'count', 'call'], ['db', 'find', 'call'], ['http', 'get', 'call'], ['http', 'head', 'call'],
  ['kv', 'read', 'call'], ['odd-name', 'a b', 'call'], ['http', 'post', 'failing'],
  ['db', 'drop', 'failing'],
];
const silentMethods = [['slow', 'wait', 'silent'], ['http', 'stream', 'silent']];

// --- JSON text, with what a writer of JSON is free to do

const numberTexts = ['0', '1', '2', '3', '-1', '10', '42', '100', '0.5', '-2.25', '1e3', '1E-2', '-0',
  '1.0', '12345678901234567890', '1e400'];
const stringTexts = ['"a"', '"b"', '"abc"', '""', '"two words"', '"é"', '"😀"', '"\\u0041\\u00e9"',
  '"\\ud83d\\ude00"', '"line\\nbreak"', '"\\/\\\\\\""', '"42"', '"__proto__"', '"\\u0000"', '"日本"'];
const keyTexts = ['"a"', '"b"', '"c"', '"id"', '"name"', '"1"', '"0"', '"x y"', '"\\u0061"',
  '"__proto__"', '"value"', '"list"', '"inner"'];

class JsonWriter {
  constructor(random) {
    this.random = random;
  }

  write(type, depth = 3) {
    switch (type) {
      case 'num': return this.random.pick(numberTexts);
      case 'str': return this.random.pick(stringTexts);
      case 'bool': return this.random.pick(['true', 'false']);
      case 'list': return this.#list(6, () => this.write('num'));
      case 'strs': return this.#list(4, () => this.write('str'));
      case 'obj': return this.#record(depth);
      case 'item': return this.#item(0);
      case 'items': return this.#list(4, (i) => this.#item(i));
      default: return this.#anything(depth);
    }
  }

  #anything(depth) {
    if (this.random.chance(0.004)) return this.#large();
    const flat = ['num', 'str', 'bool', 'null'];
    const kind = this.random.pick(depth > 0 ? [...flat, 'list', 'obj', 'strs', 'nested'] : flat);
    if (kind === 'null') return 'null';
    if (kind === 'nested') return this.#list(3, () => this.#anything(depth - 1));
    return this.write(kind, depth - 1);
  }

  // More than what the host's buffers hold at once.
  #large() {
    return this.random.chance(0.5) ? `"${'long é '.repeat(4000)}"` : `[${'1234567,'.repeat(5000)}0]`;
  }

  #record(depth) {
    const names = this.random.some(keyTexts, 0.3);
    return this.#object(names.map((name) => [name, this.#anything(depth - 1)]));
  }

  #item(i) {
    const members = [
      ['"id"', `${i + 1}`], ['"name"', this.write('str')], ['"price"', this.write('num')],
    ];
    if (this.random.chance(0.3)) members.push(['"tags"', this.write('strs')]);
    return this.#object(members);
  }

  #list(most, make) {
    const members = Array.from({ length: this.random.int(most + 1) }, (_, i) => make(i));
    return `[${members.join(this.#separator())}]`;
  }

  // Now and then with a name twice, of which the last counts.
  #object(members) {
    if (members.length > 0 && this.random.chance(0.03)) members.push([members[0][0], '7']);
    return `{${members.map(([name, text]) => `${name}:${text}`).join(this.#separator())}}`;
  }

  #separator() {
    return this.random.chance(0.1) ? ' ,\n\t' : ',';
  }
}

const quote = (text) => JSON.stringify(text);

function objectText(members) {
  return `{${members.map(([name, text]) => `${quote(name)}: ${text}`).join(', ')}}`;
}

// --- the parts of an input

// The program's name for a member.
function access(object, ...names) {
  const steps = names.map((name) => (/^[a-z]\w*$/.test(name) ? `.${name}` : `[${quote(name)}]`));
  return object + steps.join('');
}

const oddInputs = ['{}', ' {} ', 'null', '5', '"text"', '[]', '[1, {"a": 2}]'];

// Mostly an object, whose members become variables.
function makeObject(name, types, random, writer, expander) {
  if (random.chance(0.06)) return random.pick(oddInputs);
  for (const [key, type] of types) expander.declare(access(name, key), type);
  return objectText(types.map(([key, type]) => [key, writer.write(type)]));
}

// Names that are allowed, and the capabilities for that.
function allowSome(random, names, prefix) {
  const mode = random.next();
  if (mode < 0.4) return { allowed: names, tokens: [`${prefix}*`] };
  const allowed = mode < 0.6 ? names : random.some(names, 0.7);
  const granted = allowed.filter((name) => name !== ''); // no capability has an empty name
  const tokens = granted.map((name) => prefix + name);
  return { allowed: granted.includes('*') ? names : granted, tokens };
}

function makeState(random, writer, expander) {
  const odd = random.some(oddKeys, 0.06).map((key) => [key, 'any']);
  const entries = [...random.some(stateKeys, 0.6), ...odd];
  const keys = [...new Set([...entries.map(([key]) => key), ...freeKeys])];
  const read = allowSome(random, keys, 'state:read:');
  const write = allowSome(random, keys, 'state:write:');
  for (const key of keys) {
    const [mayRead, mayWrite] = [read, write].map(({ allowed }) => allowed.includes(key));
    if (!mayRead) expander.declare(quote(key), 'unreadable');
    if (!mayWrite) expander.declare(quote(key), 'unwritable');
    if (mayRead && !mayWrite) expander.declare(quote(key), 'readOnly');
    if (mayWrite && !mayRead) expander.declare(quote(key), 'writeOnly');
    if (mayRead && mayWrite && freeKeys.includes(key)) expander.declare(quote(key), 'freeKey');
    const entry = entries.find(([name]) => name === key);
    const may = { canAssign: mayWrite, canChange: mayWrite };
    if (mayRead && entry !== undefined) expander.declare(access('$state', key), entry[1], may);
  }
  const text = objectText(entries.map(([key, type]) => [key, writer.write(type)]));
  return { text, tokens: [...read.tokens, ...write.tokens] };
}

// Names of events or components.
function allowNames(random, names, prefix, types, expander) {
  const { allowed, tokens } = allowSome(random, names, prefix);
  for (const name of names) {
    expander.declare(quote(name), allowed.includes(name) ? types.allowed : types.denied);
  }
  return tokens;
}

function makeExtensions(random, writer, expander) {
  const offered = [...methods, ...(random.chance(0.25) ? silentMethods : [])];
  const allowed = random.chance(0.8) ? offered : random.some(offered, 0.7);
  for (const method of offered) {
    const [alias, name, kind] = method;
    expander.declare(access('$ext', alias, name), allowed.includes(method) ? kind : 'uncallable');
  }
  return { tokens: extensionTokens(random, offered, allowed), stub: makeStub(offered, writer) };
}

function extensionTokens(random, offered, allowed) {
  const aliases = [...new Set(allowed.map(([alias]) => alias))];
  const form = allowed.length === offered.length ? random.int(5) : 4;
  if (form < 2) return ['ext:*'];
  if (form < 4) return aliases.map((alias) => `ext:${alias}${form === 2 ? '' : ':*'}`);
  return aliases.map((alias) => `ext:${alias}:${
    allowed.filter((method) => method[0] === alias).map(([, name]) => name).join(',')}`);
}

function makeStub(offered, writer) {
  const answered = offered.filter(([, , kind]) => kind !== 'silent');
  const answer = (kind) => (kind === 'call'
    ? objectText([['result', writer.write('any')]])
    : objectText([['error', writer.write('str')]]));
  const aliases = [...new Set(answered.map(([alias]) => alias))];
  return objectText(aliases.map((alias) => [alias, objectText(
    answered.filter((method) => method[0] === alias).map(([, name, kind]) => [name, answer(kind)]))]));
}

// All of a handler but its source. Declares in `expander` what the program may use.
export function makeInputs(random, expander) {
  const writer = new JsonWriter(random);
  const args = makeObject('$args', argumentTypes, random, writer, expander);
  const scope = makeObject('$scope', scopeTypes, random, writer, expander);
  const state = makeState(random, writer, expander);
  const emit = allowNames(random, events, 'events:emit:',
    { allowed: 'eventName', denied: 'unemittable' }, expander);
  const update = allowNames(random, components, 'view:update:',
    { allowed: 'componentId', denied: 'untouchable' }, expander);
  const ext = makeExtensions(random, writer, expander);
  const allow = [...state.tokens, ...emit, ...update, ...ext.tokens];
  const inputs = { args, scope, state: state.text, allow, stub: ext.stub };
  if (random.chance(0.8)) {
    inputs.seed = random.chance(0.9) ? random.int(2 ** 31) : random.pick(seeds);
    expander.declare('Math.random()', 'num');
  }
  if (random.chance(0.8)) {
    inputs.clock = random.pick(clocks);
    expander.declare('Date.now()', 'num');
    expander.declare('new Date()', 'date');
  }
  return inputs;
}

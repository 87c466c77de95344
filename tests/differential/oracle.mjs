// The oracle of the differential test: a second host for the guest, which shares nothing with the first
// one but the module and the bootstrap. It has to be obviously right, and may be slow; limits it has none.
//
//   node tests/differential/oracle.mjs < HANDLERS > RESULTS
//
// Handlers and results are those of differential_batch (batch.cc), a line of JSON each.
import { readFileSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker, isMainThread } from 'node:worker_threads';
import { Failure, errorOf, isStackOverflow, stackOverflow } from './errors.mjs';
import { Guest, Tag, intValue, isFailure, kFalse, kTrue, kUndefined, tagOf } from './guest.mjs';
import { decode, isSoundJson, membersOf, quote } from './texts.mjs';

// --- the input

// The capabilities as questions.
function rightsOf(tokens) {
  const has = (prefix, name) => tokens.includes(prefix + name) || tokens.includes(`${prefix}*`);
  return {
    mayRead: (key) => has('state:read:', key),
    mayWrite: (key) => has('state:write:', key),
    mayEmit: (name) => has('events:emit:', name),
    mayUpdate: (id) => has('view:update:', id),
    mayCall: (alias, method) => has('ext:', alias) || tokens.includes(`ext:${alias}:*`) ||
      tokens.some((token) => token.startsWith(`ext:${alias}:`) &&
        token.slice(`ext:${alias}:`.length).split(',').includes(method)),
  };
}

// {"http": {"get": {"result": …}}} as a function of alias and method.
function stubOf(text) {
  const answers = new Map();
  for (const [alias, methods] of membersOf(text)) {
    for (const [method, answer] of membersOf(methods)) {
      const [[kind, value]] = membersOf(answer);
      answers.set(JSON.stringify([alias, method]),
        kind === 'result' ? { result: value } : { error: JSON.parse(value) });
    }
  }
  return (alias, method) => answers.get(JSON.stringify([alias, method]));
}

// SplitMix64; a generator of random numbers cannot start from zero.
function scramble(seed) {
  const wrap = (value) => BigInt.asUintN(64, value);
  let state = wrap(BigInt(seed) + 0x9e3779b97f4a7c15n);
  state = wrap((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n);
  state = wrap((state ^ (state >> 27n)) * 0x94d049bb133111ebn);
  state ^= state >> 31n;
  return state === 0n ? 1n : state;
}

// --- compiling

function wrap(source) {
  const isAsync = source.includes('await') || source.includes('\\u');
  return `${isAsync ? 'async ' : ''}function ($args, $scope, $state, $emit, $view, $ext, $log) ` +
    `{'use strict';\n${source}\n}`;
}

function reportOf(guest, value) {
  return JSON.parse(guest.bytesOf(value).toString());
}

// To bytecode, in a guest of its own.
function compile(source) {
  const fail = (code, message) => {
    throw new Failure({ code, message });
  };
  if (/^[ \t\r\n]*$/.test(source)) fail('INVALID_HANDLER', 'the handler is empty');
  const guest = new Guest(() => {
    throw new Error('no handler runs');
  }, undefined);
  const compiled = guest.compile(`(${wrap(source)})`);
  if (isFailure(compiled)) {
    const report = reportOf(guest, guest.call(guest.api.describe, guest.takeException()));
    throw new Failure(errorOf('COMPILATION_ERROR', report, source));
  }
  const bytecode = guest.toBytecode(compiled);
  const made = guest.evaluate(compiled);
  const isWhole = !isFailure(made) &&
    guest.call(guest.api.isWhole, made, guest.string(wrap(source))) === kTrue;
  if (!isWhole) {
    fail('COMPILATION_ERROR', "the text is not one function body: a '}' closes it before its end");
  }
  return bytecode;
}

// --- running

class Call {
  constructor(input) {
    this.source = input.source;
    this.rights = rightsOf(input.allow);
    this.stub = stubOf(input.stub);
    this.state = new Map(membersOf(input.state)); // key -> JSON text
    this.pending = []; // requests
    this.requests = 0;
    this.denials = []; // why each of them
    this.hostCalls = {};
    this.done = { stateMutations: new Map(), events: [], viewCommands: [] };
    this.log = [];
    this.guest = new Guest((name, args) => this.#answer(name, args), input.clock);
    this.guest.call(this.guest.api.load, this.guest.fromBytecode(compile(input.source)));
    if (input.seed !== undefined) this.guest.seedRandom(scramble(input.seed));
    this.args = this.guest.parseJson(input.args);
    this.scope = this.guest.parseJson(input.scope);
    this.run = this.guest.api.run;
  }

  // To the end, or to where the stub answers nothing. The value's text, or undefined.
  finish() {
    let value = this.#leg(() => this.guest.call(this.run, this.args, this.scope));
    while (this.isWaiting) {
      const answers = this.pending.map((request) =>
        ({ id: request.id, answer: this.stub(request.extension, request.method) }));
      const known = answers.filter(({ answer }) => answer !== undefined);
      if (known.length === 0) return undefined;
      value = this.#leg(() => this.#settle(known));
    }
    return value;
  }

  #settle(answers) {
    for (const { id, answer } of answers) {
      this.pending = this.pending.filter((request) => request.id !== id);
      const isResult = answer.result !== undefined;
      const value = isResult ? this.guest.parseJson(answer.result) : this.guest.string(answer.error);
      this.guest.call(this.guest.api.settle, intValue(id), isResult ? kTrue : kFalse, value);
    }
    return kFalse;
  }

  // From one wait to the next. What it did counts when it ends without an error.
  #leg(begin) {
    this.now = { stateMutations: new Map(), events: [], viewCommands: [] };
    this.isWaiting = false;
    const requestsBefore = this.requests;
    const value = this.#guarded(() => this.#textOfOutcome(this.#outcome(begin)));
    this.#keep();
    const unmade = this.pending.filter(({ id }) => id > requestsBefore).length;
    if (!this.isWaiting && unmade > 0) {
      this.log.push({ level: 'warn', message: `${unmade} extension request(s) were not awaited: ` +
        'the handler has returned, they are not made' });
    }
    return value;
  }

  #keep() {
    for (const [key, text] of this.now.stateMutations) {
      this.done.stateMutations.set(key, text);
      if (text === undefined) this.state.delete(key);
      else this.state.set(key, text);
    }
    this.done.events.push(...this.now.events);
    this.done.viewCommands.push(...this.now.viewCommands);
  }

  // The guest's traps as failures.
  #guarded(action) {
    try {
      return action();
    } catch (e) {
      if (!(e instanceof WebAssembly.RuntimeError)) throw e;
      if (!this.guest.stackIsExhausted()) throw e;
      throw new Failure({ code: 'STACK_OVERFLOW', message: stackOverflow });
    }
  }

  #outcome(begin) {
    let outcome = begin();
    if (!isFailure(outcome)) {
      if (!this.guest.runJobs()) this.#throwPending();
      if (outcome === kFalse) outcome = this.guest.call(this.guest.api.poll);
    }
    if (tagOf(outcome) !== Tag.null) {
      if (isFailure(this.guest.call(this.guest.api.flush))) this.#throwPending();
    }
    return outcome;
  }

  // outcome.js says what the outcomes mean.
  #textOfOutcome(outcome) {
    switch (tagOf(outcome)) {
      case Tag.string: {
        const text = decode(this.guest.bytesOf(outcome));
        if (isSoundJson(text)) return text;
        return this.#throwReported(this.guest.call(this.guest.api.misfit));
      }
      case Tag.bool:
        if (outcome === kTrue) return undefined;
        this.isWaiting = this.pending.length > 0;
        if (this.isWaiting) return undefined;
        throw new Failure({ code: 'EXECUTION_ERROR',
          message: 'the handler waits for a promise that nothing can settle' });
      case Tag.null:
        return this.#throwReported(this.guest.call(this.guest.api.failure));
      case Tag.exception:
        return this.#throwPending();
      default:
        throw new Error(`an outcome of kind ${tagOf(outcome)}`);
    }
  }

  #throwPending() {
    this.#throwReported(this.guest.call(this.guest.api.describe, this.guest.takeException()));
  }

  #throwReported(value) {
    const report = reportOf(this.guest, value);
    const error = errorOf('EXECUTION_ERROR', report, this.source);
    if (report.denial !== undefined) {
      // Of those beyond the sixteenth the handler's word is taken.
      error.code = 'PERMISSION_DENIED';
      error.message = report.denial < 16 ? this.denials[report.denial] : report.message;
    } else if (isStackOverflow(report) && this.guest.stackWasFull()) {
      error.code = 'STACK_OVERFLOW';
      error.message = stackOverflow;
    }
    throw new Failure(error);
  }

  // --- operations of the bootstrap

  #answer(name, args) {
    const texts = args.map((value) =>
      (tagOf(value) === Tag.string ? decode(this.guest.bytesOf(value)) : undefined));
    switch (name) {
      case 'log': return this.#addLog(args);
      case 'why': return this.guest.string(this.why);
      case 'read': return this.#read(...texts);
      case 'has': return this.#has(...texts);
      case 'keys': return this.#keys();
      case 'mayWrite': return this.#mayWrite(...texts);
      case 'check': return isSoundJson(texts[0]) ? kUndefined : this.#refuseValue();
      case 'set': return this.#set(...texts);
      case 'remove': return this.#remove(...texts);
      case 'emit': return this.#emit(...texts, tagOf(args[1]) !== Tag.undefined);
      case 'view': return this.#view(...texts);
      case 'request': return this.#request(...texts);
      default: throw new Error(`no operation ${name}`);
    }
  }

  #count(kind) {
    this.hostCalls[kind] = (this.hostCalls[kind] ?? 0) + 1;
  }

  #deny(why) {
    this.why = why;
    this.denials.push(why);
    return this.guest.api.denied;
  }

  #refuseName() {
    this.why = 'a name must be well-formed Unicode: it has a lone surrogate';
    return this.guest.api.malformed;
  }

  #refuseValue() {
    this.why = 'a value must be JSON: it is nested deeper than 256 levels or holds text that is not ' +
      'well-formed Unicode';
    return this.guest.api.malformed;
  }

  #addLog([level, text]) {
    this.#count('log');
    const name = ['debug', 'info', 'warn', 'error'][Number(level)];
    this.log.push({ level: name, message: this.guest.bytesOf(text).toString() });
    return kUndefined;
  }

  #read(key) {
    if (key === undefined) return this.#refuseName();
    if (!this.rights.mayRead(key)) {
      return this.#deny(`reading the state key ${quote(key)} needs the capability state:read:${key}`);
    }
    return this.state.has(key) ? this.guest.parseJson(this.state.get(key)) : kUndefined;
  }

  #has(key) {
    if (key === undefined) return this.#refuseName();
    if (!this.rights.mayRead(key)) return kUndefined;
    return this.state.has(key) ? kTrue : kFalse;
  }

  #keys() {
    const readable = [...this.state.keys()].filter((key) => this.rights.mayRead(key));
    return this.guest.parseJson(JSON.stringify(readable));
  }

  #denyWrite(key) {
    return this.#deny(`writing the state key ${quote(key)} needs the capability state:write:${key}`);
  }

  #mayWrite(key) {
    if (key === undefined) return this.#refuseName();
    if (!this.rights.mayWrite(key)) {
      this.#count('state');
      return this.#denyWrite(key);
    }
    return kUndefined;
  }

  #set(key, text) {
    this.#count('state');
    if (key === undefined) return this.#refuseName();
    if (!this.rights.mayWrite(key)) return this.#denyWrite(key);
    if (!isSoundJson(text)) return this.#refuseValue();
    this.now.stateMutations.set(key, text);
    return kUndefined;
  }

  #remove(key) {
    this.#count('state');
    if (key === undefined) return this.#refuseName();
    if (!this.rights.mayWrite(key)) return this.#denyWrite(key);
    this.now.stateMutations.set(key, undefined);
    return kUndefined;
  }

  #emit(name, text, hasPayload) {
    this.#count('emit');
    if (name === undefined) return this.#refuseName();
    if (!this.rights.mayEmit(name)) {
      return this.#deny(`emitting the event ${quote(name)} needs the capability events:emit:${name}`);
    }
    if (hasPayload && !isSoundJson(text)) return this.#refuseValue();
    this.now.events.push(hasPayload ? { name, payload: JSON.parse(text) } : { name });
    return kUndefined;
  }

  #view(type, componentId, text) {
    this.#count('view');
    if (componentId === undefined) return this.#refuseName();
    if (!this.rights.mayUpdate(componentId)) {
      return this.#deny(`updating the component ${quote(componentId)} needs the capability ` +
        `view:update:${componentId}`);
    }
    if (!isSoundJson(text) || !text.startsWith('{')) return this.#refuseValue();
    this.now.viewCommands.push({ type, componentId, args: JSON.parse(text) });
    return kUndefined;
  }

  #request(extension, method, text) {
    this.#count('ext');
    if (extension === undefined || method === undefined) return this.#refuseName();
    if (!this.rights.mayCall(extension, method)) {
      return this.#deny(`calling $ext.${extension}.${method} needs the capability ext:${extension}`);
    }
    if (!isSoundJson(text) || !text.startsWith('[')) return this.#refuseValue();
    const id = ++this.requests;
    this.pending.push({ id, extension, method, args: JSON.parse(text) });
    return intValue(id);
  }
}

// --- results

function resultOf(input) {
  let call;
  let value;
  let error;
  try {
    call = new Call(input);
    value = call.finish();
  } catch (e) {
    if (!(e instanceof Failure)) throw e;
    error = e.error;
  }
  const isWaiting = error === undefined && call.isWaiting;
  const done = call?.done ?? { stateMutations: new Map(), events: [], viewCommands: [] };
  return {
    status: error ? 'error' : isWaiting ? 'suspended' : 'success',
    ...(value === undefined ? {} : { value: JSON.parse(value) }),
    stateMutations: [...done.stateMutations].map(([key, text]) => (text === undefined
      ? { key, operation: 'delete' }
      : { key, operation: 'set', value: JSON.parse(text) })),
    events: done.events,
    viewCommands: done.viewCommands,
    ...(isWaiting ? { suspension: { pending: call.pending } } : {}),
    ...(error ? { error } : {}),
    log: call?.log ?? [],
    hostCalls: call?.hostCalls ?? {},
  };
}

function main() {
  for (const line of readFileSync(0, 'utf8').split('\n')) {
    if (line !== '') writeSync(1, `${JSON.stringify(resultOf(JSON.parse(line)))}\n`);
  }
}

// The guest measures its own stack; Node's has to be deep enough for it, which a thread's can be.
if (isMainThread) {
  new Worker(fileURLToPath(import.meta.url), { resourceLimits: { stackSizeMb: 64 } });
} else {
  main();
}

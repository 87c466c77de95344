// Makes the bytecode interpreter inside a guest fast again.
//
// QuickJS is written so that the code of one bytecode jumps straight to the code of the next one
// (computed goto), each by a jump of its own, which a processor predicts far better than one jump that
// serves all. WebAssembly has no such jump: what the compiler made of it is a loop around one switch
// (br_table), and every bytecode goes back to its head. Here that loop becomes what it was: each way back
// is a copy of the head, with its stop check, and a jump of its own.
//
// Like the rest of the translation this goes by the text that wasm2c writes, and fails rather than guess.

// A br_table with more targets than this is an interpreter's.
const kInterpreterTargets = 200;

// JSRuntime.dump_flags begins at this byte; JS_DUMP_BYTECODE_STEP, which traces each bytecode to standard
// output, is this bit of it (quickjs.h). No guest of ours has either.
const kTraceFlag = { offset: 753, bit: 128 };

// The initial content of linear memory: the active data segments of a module.
class InitialMemory {
  constructor(wasm) {
    this.segments = [];
    this.wasm = wasm;
    this.at = 8; // behind magic and version
    while (this.at < wasm.length) {
      const kDataSection = 11;
      const id = wasm[this.at++];
      const end = this.#unsigned() + this.at;
      if (id === kDataSection) this.#readSegments();
      this.at = end;
    }
  }

  // The 32-bit word at an address; undefined where no segment puts one.
  word(address) {
    for (const { begin, bytes } of this.segments) {
      const offset = address - begin;
      if (offset >= 0 && offset + 4 <= bytes.length) return bytes.readUInt32LE(offset);
    }
    return undefined;
  }

  #readSegments() {
    const kActive = 0;
    const kI32Const = 0x41;
    for (let count = this.#unsigned(); count > 0; count--) {
      if (this.#unsigned() !== kActive || this.wasm[this.at++] !== kI32Const) return;
      const begin = this.#unsigned(); // addresses of data are positive
      this.at++; // end of the expression
      const length = this.#unsigned();
      this.segments.push({ begin, bytes: this.wasm.subarray(this.at, this.at + length) });
      this.at += length;
    }
  }

  // LEB128.
  #unsigned() {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.wasm[this.at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }
}

// The head of an interpreter's loop, as wasm2c writes it: what it sets up, the bytecode read into a
// local, its class looked up in a table of words, and the switch over that class.
const kHead = new RegExp([
  String.raw`^ *(?<label>(?:w2c|var)_L\d+): *NEXUS_STOP_POINT;\n`,
  String.raw`(?<setup>(?: *\w+ = [^;\n]*;\n)*?`,
  String.raw` *(?<class>\w+) = i32_load8_u\([^;\n]*\);\n`,
  String.raw` *\w+ = \k<class>;\n)`,
  String.raw` *(?<shift>\w+) = 2u;\n`,
  String.raw` *\k<class> <<= \(\k<shift> & 31\);\n`,
  String.raw` *\k<class> = i32_load\([^;\n]*, \(u64\)\(\k<class>\) \+ (?<table>\d+)u\);\n`,
  String.raw` *(?<lowest>\w+) = (?<lowestValue>\d+)u;\n`,
  String.raw` *\k<class> -= \k<lowest>;\n`,
  String.raw` *switch \(\k<class>\) \{\n(?<cases>(?: *case \d+: goto \w+;\n)+)`,
  String.raw` *default: goto (?<otherwise>\w+);\n *\}\n`,
].join(''), 'gm');

function targetsOf(cases) {
  return [...cases.matchAll(/goto (\w+);/g)].map((m) => m[1]);
}

// One table for the bytecode itself: a byte, so no check is needed, and what the guest's own table says
// is known, since it is constant.
function jumpTable({ table, lowestValue, cases, otherwise }, memory, fail) {
  const targets = targetsOf(cases);
  return Array.from({ length: 256 }, (_, bytecode) => {
    const word = memory.word(Number(table) + 4 * bytecode);
    if (word === undefined) fail('the interpreter looks bytecodes up outside of constant data');
    return targets[word - Number(lowestValue)] ?? otherwise;
  });
}

function functionAround(source, at) {
  const begin = source.lastIndexOf('\n}\n', at) + 3;
  return { begin, end: source.indexOf('\n}\n', at) };
}

function threadLoop(source, match, memory, fail) {
  const { label, setup, class: bytecode } = match.groups;
  const { begin, end } = functionAround(source, match.index);
  const head = setup.trim().replace(/\n */g, ' ');
  const jump = `NEXUS_STOP_POINT; ${head} goto *jump_${label}[${bytecode}];`;
  const labels = jumpTable(match.groups, memory, fail).map((target) => `&&${target}`);
  const back = new RegExp(`goto ${label};`, 'g');
  const body = source.slice(begin, end)
    .replace(match[0], () => `${label}: ${jump}\n`)
    .replace(back, () => `{ ${jump} }`)
    .replace('{\n', () => `{\n  static const void* const jump_${label}[] = {${labels.join(', ')}};\n`);
  return source.slice(0, begin) + body + source.slice(end);
}

// Without the test of a flag that nobody sets, once for every bytecode.
function removeTrace(source, fail) {
  const test = new RegExp([
    String.raw`^( *)(\w+) = i32_load8_u\([^;\n]*, \(u64\)\(\2\) \+ ${kTraceFlag.offset}u\);\n`,
    String.raw` *(\w+) = ${kTraceFlag.bit}u;\n *\2 &= \3;\n *if \(\2\) \{\n`,
  ].join(''), 'gm');
  let found = 0;
  const out = source.replace(test, (_, indent) => {
    found++;
    return `${indent}if (0) {\n`;
  });
  if (found === 0) fail('the interpreter tests no trace flag: another QuickJS?');
  return out;
}

// `source` is wasm2c's C with NEXUS_STOP_POINT behind its loop headers; it comes back unchanged when there
// is no interpreter in it.
export function speedUpInterpreter(source, wasm, fail) {
  const isInterpreter = new RegExp(` case ${kInterpreterTargets}: goto `).test(source);
  if (!isInterpreter) return source;
  const heads = [...source.matchAll(kHead)].filter(
    (m) => targetsOf(m.groups.cases).length > kInterpreterTargets);
  if (heads.length !== 1) fail(`${heads.length} interpreter loops in the C, expected 1: another wabt?`);
  return removeTrace(threadLoop(source, heads[0], new InitialMemory(wasm), fail), fail);
}

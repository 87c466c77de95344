// Writes programs from a grammar that knows types and scopes, so that most of them run to their end.
//
// A grammar is text. `== num` begins the rules of the symbol `num`: a line each, which goes on in the
// lines below it that are indented. A rule is program text with holes:
//
//   @num              what the symbol `num` expands to
//   @var:num          a variable of that type in scope; the rule is passed over when there is none
//   @let:num          one that can be assigned
//   @own:list         one whose content can be changed
//   @same             the variable that the rule chose last
//   @new:num          a fresh name, in scope behind the rule; @new!:num can be assigned
//   @arg:num          a fresh name, in scope from here on to @end, or to the end of the rule
//   @late:num         a fresh name, in scope in the rule's blocks
//   @1, @2 …          the names that the rule made, in their order
//   @block            statements in a scope of their own
//   @lines            statements whose variables are in scope to the end of the rule
//
// and may begin with words between percent signs: a weight (1 without it), what it needs (`await`: a
// place that may wait, `break`: a loop around it, `top`: no loop and no function around it), or what the
// text in it is inside of (`fn`, `async`, `loop`).

const kHole = /@(?:(var|let|own|arg|late|new!?):(\w+)|(\d)|(\w+))/g;

function parseRule(rule) {
  const [, head, text] = /^(?:%([^%]*)% )?([^]*)$/.exec(rule);
  const words = (head ?? '').split(' ');
  const weight = Number(words.find((word) => /^[\d.]+$/.test(word)) ?? 1);
  const parts = [];
  let done = 0;
  for (const match of text.matchAll(kHole)) {
    const [whole, how, type, number, symbol] = match;
    parts.push(text.slice(done, match.index), { how, type, number, symbol });
    done = match.index + whole.length;
  }
  parts.push(text.slice(done));
  return { weight, words: new Set(words), parts };
}

// The rules' texts by symbol.
function readRules(grammar) {
  const symbols = new Map();
  let rules;
  for (const line of grammar.split('\n')) {
    if (line.startsWith('// ') || line === '') continue;
    if (line.startsWith('== ')) {
      rules = symbols.get(line.slice(3)) ?? [];
      symbols.set(line.slice(3), rules);
    } else if (line.startsWith(' ')) {
      rules[rules.length - 1] += `\n${line}`;
    } else {
      rules.push(line);
    }
  }
  return symbols;
}

const symbolsOf = ({ parts }) => parts.map(({ symbol }) => symbol).filter(Boolean);

// `leaves` are those of a symbol's rules that go no deeper than to literals.
export function parseGrammar(text) {
  const symbols = new Map([...readRules(text)].map(([name, rules]) => [name, rules.map(parseRule)]));
  const isLiteral = (name) => symbols.get(name)?.every((rule) => symbolsOf(rule).length === 0);
  return new Map([...symbols].map(([name, all]) => {
    const leaves = all.filter((rule) => symbolsOf(rule).every(isLiteral));
    return [name, { all, leaves: leaves.length > 0 ? leaves : all }];
  }));
}

// Holes that take a variable which is there.
const kTakes = ['var', 'let', 'own'];

// What may stand in the text of a rule with these words.
function placeWithin(words, place) {
  if (words.has('fn')) return { mayWait: false, isTop: false, isLoop: false };
  if (words.has('async')) return { mayWait: true, isTop: false, isLoop: false };
  if (words.has('loop')) return { ...place, isTop: false, isLoop: true };
  return place;
}

export class Expander {
  constructor(grammar, random) {
    this.grammar = grammar;
    this.random = random;
    this.scopes = [[]];
    this.names = 0;
    this.place = { mayWait: false, isTop: true, isLoop: false };
  }

  // `text` is what stands for the variable in the program; it may be any expression that can be read.
  declare(text, type, { canAssign = false, canChange = false } = {}) {
    this.#add({ text, type, canAssign, canChange });
  }

  // The program's own variables in the outermost scope.
  outermost() {
    return this.scopes[0].filter(({ isMade }) => isMade);
  }

  expand(symbol, depth) {
    if (symbol === 'block') return this.#block(depth);
    if (symbol === 'lines') return this.#lines(depth);
    const known = this.grammar.get(symbol);
    if (known === undefined) throw new Error(`the grammar has no symbol ${symbol}`);
    const rules = depth > 0 ? known.all : known.leaves;
    for (let tries = 0; tries < 1000; tries++) {
      const rule = this.random.pickWeighted(rules);
      if (this.#fits(rule)) return this.#fill(rule, depth - 1);
    }
    throw new Error(`no rule of ${symbol} fits`);
  }

  #block(depth) {
    this.scopes.push([]);
    const text = this.#lines(depth);
    this.scopes.pop();
    return text;
  }

  #lines(depth) {
    const count = 1 + this.random.int(3);
    return Array.from({ length: count }, () => this.expand('statement', depth)).join(' ');
  }

  #fits({ words, parts }) {
    if (words.has('await') && !this.place.mayWait) return false;
    if (words.has('break') && !this.place.isLoop) return false;
    if (words.has('top') && !this.place.isTop) return false;
    return parts.every(({ how, type }) =>
      !kTakes.includes(how) || this.#known(how, type).length > 0);
  }

  #known(how, type) {
    return this.scopes.flat().filter((variable) => variable.type === type &&
      (how !== 'let' || variable.canAssign) && (how !== 'own' || variable.canChange));
  }

  #fill({ words, parts }, depth) {
    const outer = this.place;
    this.place = placeWithin(words, outer);
    this.scopes.push([]);
    const rule = { made: [], chosen: '' }; // its own names, and the variable that it took last
    const texts = parts.map((part) =>
      (typeof part === 'string' ? part : this.#hole(part, rule, depth)));
    this.scopes.pop();
    for (const variable of rule.made.filter(({ how }) => how.startsWith('new'))) this.#add(variable);
    this.place = outer;
    return texts.join('');
  }

  #hole({ how, type, number, symbol }, rule, depth) {
    if (number !== undefined) return rule.made[number - 1].text;
    if (symbol === 'same') return rule.chosen;
    if (symbol === 'end') return this.#endScope();
    if (symbol === 'block' || symbol === 'lines') {
      for (const variable of rule.made.filter(({ how: way }) => way === 'late')) this.#add(variable);
    }
    if (symbol !== undefined) return this.expand(symbol, depth);
    if (!kTakes.includes(how)) return this.#make(how, type, rule);
    rule.chosen = this.#take(how, type);
    return rule.chosen;
  }

  #endScope() {
    this.scopes[this.scopes.length - 1] = [];
    return '';
  }

  #make(how, type, rule) {
    const isNew = how.startsWith('new');
    const text = `v${++this.names}`;
    const variable = { text, type, how, isMade: true, canAssign: how === 'new!', canChange: isNew };
    rule.made.push(variable);
    if (how === 'arg') this.#add(variable);
    return text;
  }

  #add(variable) {
    this.scopes[this.scopes.length - 1].push(variable);
  }

  // Mostly one of the last.
  #take(how, type) {
    const known = this.#known(how, type);
    const last = known.slice(-4);
    return this.random.pick(this.random.chance(0.6) ? last : known).text;
  }
}

// $emit, $view, $ext and $log: what a handler tells the host, at once.

function emit(name, payload) {
  needString(name, "an event's name");
  answeredFor(hostCall(op.emit, name, textOf(payload, 'the payload')), payload, 'the payload');
}

function show(value) {
  if (typeof value === 'string') return value;
  if (isErrorLike(value)) return property(value, 'name') + ': ' + property(value, 'message');
  try {
    const text = isObject(value) ? stringify(value) : undefined;
    return text === undefined ? TheString(value) : text;
  } catch {
    return '[' + typeof value + ']';
  }
}

function makeLog(level) {
  return (...values) => {
    let text = '';
    for (let i = 0; i < values.length; i++) text += (i === 0 ? '' : ' ') + show(values[i]);
    hostCall(op.log, level, text);
  };
}
const log = makeLog(1);
log.debug = makeLog(0);
log.info = makeLog(1);
log.warn = makeLog(2);
log.error = makeLog(3);
freeze(log);

// --- the view

function update(command, id, args) {
  needString(id, "a component's id");
  answeredFor(hostCall(op.view, command, id, textOf(args, 'the value')), args, 'the value');
}

const view = freeze({
  __proto__: null,
  setFilter: (id, value) => update('setFilter', id, { __proto__: null, value }),
  scrollTo: (id, position) => update('scrollTo', id, { __proto__: null, position }),
  focus: (id) => update('focus', id, { __proto__: null }),
  command: (id, name, args) => {
    needString(name, "a command's name");
    update('command', id, { __proto__: null, name, args });
  },
});

// --- extensions

const pending = create(null); // id -> how to settle its promise

// Arguments are a few short values mostly: their texts side by side are quicker than the array's.
// Long ones would make a tree of parts, not one string.
function argumentsText(args) {
  let text = '[';
  for (let i = 0; i < args.length; i++) {
    const value = args[i];
    if (isObject(value) || unfit(typeof value)) return textOf(args, 'the arguments');
    const part = value === undefined ? 'null' : textOf(value);
    text += i === 0 ? part : ',' + part;
    if (text.length > 256) return textOf(args, 'the arguments');
  }
  return text + ']';
}

function request(alias, method, args) {
  const text = argumentsText(args);
  const id = answeredFor(hostCall(op.request, alias, method, text), args, 'the arguments');
  return new ThePromise((resolve, reject) => {
    pending[id] = { __proto__: null, resolve, reject };
  });
}

function refuseChange() {
  throw new TheTypeError('$ext cannot be changed');
}

// An object with any string as a property, made by `make` from the object's own name and the
// property's. The language's own questions find nothing. What they share is made once: handlers ask
// for such objects all the time.
const kName = TheSymbol();

function makeDirectories(make) {
  const traps = {
    __proto__: null,
    get: (target, name) =>
      (typeof name === 'symbol' || isProbed(name) ? undefined : make(target[kName], name)),
    ownKeys: () => [],
    getOwnPropertyDescriptor: () => undefined,
    set: refuseChange,
    defineProperty: refuseChange,
    deleteProperty: refuseChange,
    setPrototypeOf: refuseChange,
    preventExtensions: refuseChange,
  };
  return (name) => new TheProxy({ __proto__: null, [kName]: name }, traps);
}

const makeExtension = makeDirectories((alias, method) => (...args) => request(alias, method, args));
const ext = makeDirectories((_, alias) => makeExtension(alias))();

// `value` is what the extension returned, or the text of its error.
function settle(id, isResult, value) {
  const promise = pending[id];
  tryDelete(pending, id);
  if (isResult) {
    promise.resolve(value);
    return;
  }
  const error = new TheError(value);
  defineProperty(error, 'name', dataProperty('ExtensionError'));
  promise.reject(error);
}

// Calls of the host: hostCall(op.NAME, ...arguments). It decides; what is refused here is thrown, so
// that the handler learns of it at the line where it happened.

for (const name of keys(op)) op[name] |= 0; // integers, whatever the parser made of them
freeze(op);

// What the host answers instead of a result.
const kDenied = freeze(create(null)); // a capability is missing
const kMalformed = freeze(create(null)); // an argument is not what it has to be

const denials = makeTable();
let denialCount = 0;

// The host has counted the same denials; which one this was is all that it is told later.
function makeDenial() {
  const error = new TheError(hostCall(op.why));
  defineProperty(error, 'name', dataProperty('PermissionError'));
  defineProperty(error, 'code', dataProperty('PERMISSION_DENIED'));
  denials.set(error, denialCount++);
  return error;
}

function answered(answer) {
  if (answer === kDenied) throw makeDenial();
  if (answer === kMalformed) throw new TheTypeError(hostCall(op.why));
  return answer;
}

// Of an operation that was given the text of `value`, which messages call `label`.
function answeredFor(answer, value, label) {
  const place = answer === kMalformed ? findMalformed(value, 'value', 0) : undefined;
  if (place !== undefined) throw new TheTypeError(label + ' cannot be JSON: ' + place);
  return answered(answer);
}

function needString(value, what) {
  if (typeof value !== 'string') throw new TheTypeError(what + ' must be a string, not ' + kindOf(value));
}

function kindOf(value) {
  if (value === null) return 'null';
  return isArray(value) ? 'array' : typeof value;
}

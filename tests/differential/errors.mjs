// What went wrong, in the coordinates of the handler's source.
import { cut } from './texts.mjs';

// The engine counts lines from the wrapper's on, and columns in bytes. A place outside of the source
// becomes the nearest one in it.
function placeIn(source, line, column) {
  const lines = source.split('\n').map((text) => text.replace(/\r$/, ''));
  if (line > lines.length) return { line: lines.length, column: lines[lines.length - 1].length + 1 };
  let offset = 0;
  let units = 0;
  for (const character of lines[line - 1]) {
    if (offset >= column - 1) break;
    offset += Buffer.byteLength(character);
    units += character.length;
  }
  return { line, column: units + 1 };
}

// The stack's frames in the coordinates of the source.
function framesOf(stack, source) {
  const frames = [];
  for (const text of stack.split('\n')) {
    const found = /^.*?at (.*?)handler\.js:(\d+):(\d+)/.exec(text);
    if (found === null || Number(found[2]) < 2 || frames.length === 32) continue;
    const place = placeIn(source, Number(found[2]) - 1, Number(found[3]));
    frames.push({ name: found[1].split(' (')[0], place });
  }
  return frames;
}

export function errorOf(code, report, source) {
  const [name, message] = [report.name ?? '', report.message].map((text) => cut(text, 4096));
  const error = { code, message: name && message ? `${name}: ${message}` : name || message };
  const frames = framesOf(cut(report.stack ?? '', 8192), source);
  if (frames.length > 0) {
    error.location = frames[0].place;
    error.stack = frames.map(({ name, place: { line, column } }) =>
      `    at ${name ? `${name} (` : ''}handler.js:${line}:${column}${name ? ')' : ''}`).join('\n');
  }
  return error;
}

export const stackOverflow = 'the recursion is deeper than stack_size_bytes, 262144, allows';

export function isStackOverflow({ name, message }) {
  return (name === 'RangeError' || name === 'InternalError') &&
    (message === 'Maximum call stack size exceeded' || message === 'stack overflow');
}

// What ends a call.
export class Failure extends Error {
  constructor(error) {
    super(error.message);
    this.error = error;
  }
}

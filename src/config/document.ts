import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { isAlias, LineCounter, type Node, parseDocument, visit } from 'yaml';

/** The parser compares every key with every other: a megabyte of keys takes minutes. */
const MAX_FILE_BYTES = 64 * 1024;
/** What the parser's messages repeat of the file. */
const REPEATED = /(?<=\w): .*$|(?<=escape sequence|Unknown directive|YAML version) .*$/s;

/**
 * A YAML file as plain values.
 * @throws Error that says where the file is wrong, and repeats nothing of it: it may be a password.
 */
export function readDocument(path: string): unknown {
  if (statSync(path).size > MAX_FILE_BYTES) throw new Error('it is larger than 64 KiB');
  const bytes = readFileSync(path);
  if (!isUtf8(bytes)) throw new Error('it is not UTF-8');
  const lineCounter = new LineCounter();
  const refuse = (offset: number, why: string): never => {
    const { line, col } = lineCounter.linePos(offset);
    throw new Error(`line ${line}, column ${col}: ${why}`);
  };
  const options = { lineCounter, prettyErrors: false, logLevel: 'error' } as const;
  const document = parseDocument(bytes.toString(), options);
  // Warnings too: they tell of values that would be taken for something else.
  const [fault] = [...document.errors, ...document.warnings];
  if (fault?.code === 'MULTIPLE_DOCS') throw new Error('it holds more than one document');
  if (fault) refuse(fault.pos[0], fault.message.replace(REPEATED, ''));
  visit(document, {
    Node(_key, node: Node) {
      if (!isAlias(node) && node.anchor === undefined) return;
      refuse(node.range?.[0] ?? 0, 'a value that begins with & or * needs quotes');
    },
  });
  return document.toJS();
}

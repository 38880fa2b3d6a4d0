import { type RetaggerError, toRetaggerError } from '../errors.ts';
import type { Tagger, Tagging } from '../inference/tagger.ts';

/** A file and how it ended. */
export type TaggedFile =
  | { readonly path: string; readonly tagging: Tagging }
  | { readonly path: string; readonly error: RetaggerError };

/** Makes a file of what is none by itself. */
type Open = (path: string) => string | Promise<string>;

/**
 * Tags files, in the order given, with as many in the worker at once as it has use for.
 * A photo's own fault is its result; it never ends the others.
 */
export async function* tagFiles(
  tagger: Tagger,
  paths: readonly string[],
  open: Open = (path) => path,
): AsyncGenerator<TaggedFile> {
  const inFlight: Promise<TaggedFile>[] = [];
  let next = 0;
  while (next < paths.length || inFlight.length > 0) {
    while (next < paths.length && inFlight.length < tagger.concurrency) {
      inFlight.push(tagOne(tagger, paths[next++] as string, open));
    }
    yield await (inFlight.shift() as Promise<TaggedFile>);
  }
}

async function tagOne(tagger: Tagger, path: string, open: Open): Promise<TaggedFile> {
  try {
    return { path, tagging: await tagger.tag(await open(path)) };
  } catch (thrown) {
    return { path, error: toRetaggerError(thrown) };
  }
}

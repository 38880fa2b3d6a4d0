import { fitName } from './fit-name.ts';

/** Folder below `tagged` for photos whose best score is below its label's threshold. */
const ABSTAINED = '_abstained';

/** A label as one folder name, also for models whose labels have slashes in them. */
export function tagFolder(tag: string | null): string {
  if (tag === null) return ABSTAINED;
  return fitName(tag.replaceAll('/', '_').replace(/^\./, '_'), '');
}

import { isNoPhoto } from '../../files/no-photo.ts';

/**
 * Which names in the watch folder are left alone. Everything else that is a regular file is taken,
 * whatever its suffix: what a file is, its bytes say, and one that is no photo ends in `failed/`
 * where its owner sees why.
 */

/** Files that programs write under another name until they are whole. */
const TEMPORARY =
  /(\.(part|partial|tmp|temp|crdownload|download|filepart|opdownload|aria2|swp|lock|![a-z]+)|_exiftool_tmp|~)$/i;

/** Written by desktops and network stores by themselves. */
const SYSTEM = /^(thumbs\.db|ehthumbs\.db|desktop\.ini|~\$.*)$/i;
const SYSTEM_FOLDERS = /^(@eadir|#recycle|\$recycle\.bin|system volume information|lost\+found)$/i;

export const isIgnoredFile = (name: string): boolean =>
  isNoPhoto(name) || TEMPORARY.test(name) || SYSTEM.test(name);

export const isIgnoredFolder = (name: string): boolean =>
  name.startsWith('.') || SYSTEM_FOLDERS.test(name);

import { realpath } from 'node:fs/promises';
import { lockFolder } from '../files/folder-lock.ts';
import { makeOwnFolder } from '../files/own-folder.ts';

/**
 * Makes a run's folders and keeps other runs off them: two of them would mix their checkpoints,
 * their features and their models.
 * @param folders by the flag that names each.
 * @returns what gives them back.
 * @throws Error that names the folder which another run has.
 */
export async function claimFolders(folders: Readonly<Record<string, string>>): Promise<() => void> {
  const claimed = new Map<string, () => void>();
  const release = () => {
    for (const one of claimed.values()) one();
  };
  try {
    for (const [flag, dir] of Object.entries(folders)) {
      await makeOwnFolder(dir, 0o777); // a daemon of another user is to read the model
      const real = await realpath(dir);
      // The features may lie in the model's folder itself.
      if (claimed.has(real)) continue;
      claimed.set(real, await lockFolder(dir, `another training is using ${flag} ${dir}`));
    }
  } catch (error) {
    release();
    throw error;
  }
  return release;
}

import { expect, test } from 'vitest';
import { forNextStart } from '../../src/config/live.ts';
import { loadConfig } from '../../src/config/load.ts';

const load = (env: Record<string, string>) => loadConfig({ env, cwd: '/box' });

test('what a running daemon takes over waits for no start, but for "keep": then photos are remembered', () => {
  const [move, remove, keep] = ['move', 'delete', 'keep'].map((after) =>
    load({ RETAGGER_INGEST_AFTER: after, RETAGGER_NODE_ID: 'box' }),
  ) as [ReturnType<typeof load>, ReturnType<typeof load>, ReturnType<typeof load>];
  expect(forNextStart(move, remove)).toEqual([]);
  expect(forNextStart(move, keep)).toEqual(['ingest.after']);
  expect(forNextStart(keep, move)).toEqual(['ingest.after']);
  const other = load({
    RETAGGER_MODEL_DIR: '/m',
    RETAGGER_INGEST_XMP: 'true',
    RETAGGER_HTTP_PORT: '1',
    RETAGGER_NODE_ID: 'box',
  });
  expect(forNextStart(move, other)).toEqual(['http.port']);
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Answers } from '../../../src/daemon/pipeline/answers.ts';
import { build, configIn, TextTagger, temporaryDir } from '../support.ts';

async function setup(limit: number) {
  const [dir, tagger] = [await temporaryDir(), new TextTagger()];
  const answers = new Answers(tagger, limit);
  const tag = async (content: string) => {
    const path = join(dir, 'photo');
    await writeFile(path, content);
    return answers.tag(path);
  };
  return { dir, tagger, answers, tag };
}

describe('the same bytes once more', () => {
  test('are answered from memory, and nothing else is', async () => {
    const { tagger, tag } = await setup(10);
    const first = await tag('kitchen 1');
    expect(first.duplicate).toBeUndefined();
    expect(await tag('kitchen 1')).toEqual({
      ...first,
      ...{ ms: { decode: 0, infer: 0 }, duplicate: true },
    });
    expect((await tag('kitchen 2')).duplicate).toBeUndefined();
    expect(tagger.seen).toEqual(['kitchen 1', 'kitchen 2']);
  });

  test('are tagged again after a failure, and where memory is off', async () => {
    const failing = await setup(10);
    for (let n = 0; n < 2; n++) await expect(failing.tag('image_corrupt')).rejects.toThrow();
    expect(failing.tagger.seen).toHaveLength(2);
    const off = await setup(0);
    for (let n = 0; n < 2; n++) expect((await off.tag('hall')).duplicate).toBeUndefined();
    expect(off.tagger.seen).toHaveLength(2);
  });

  test('are not even looked for where memory is off: no file is read for it', () => {
    let asked = 0;
    const tag = () => {
      asked += 1;
      return new Promise<never>(() => {});
    };
    void new Answers({ tag }, 0).tag('photo');
    expect(asked).toBe(1);
  });

  test('are tagged again by another model, whose answers an old one does not fill in', async () => {
    const { tagger, answers, tag } = await setup(10);
    await tag('hall 1');
    tagger.hold();
    const late = tag('hall 2');
    while (tagger.seen.length < 2) await sleep(5);
    answers.forget();
    tagger.letGo();
    await late;
    for (const content of ['hall 1', 'hall 2']) {
      expect((await tag(content)).duplicate).toBeUndefined();
    }
  });
});

test('who was asked for least recently goes first', async () => {
  const { tag } = await setup(2);
  for (const content of ['hall 1', 'hall 2', 'hall 1', 'hall 3']) await tag(content);
  expect((await tag('hall 1')).duplicate).toBe(true);
  expect((await tag('hall 2')).duplicate).toBeUndefined();
});

test('a photo that is not there is the tagger’s to judge', async () => {
  const { dir, answers } = await setup(2);
  await expect(answers.tag(join(dir, 'nothing'))).rejects.toThrow(/ENOENT/);
});

test('each photo keeps its own id, source and name', async () => {
  const daemon = build(configIn(await temporaryDir(), { limits: { remembered: 5 } }));
  await daemon.start();
  const photo = (id: string, source: 'http' | 'mqtt') => ({
    ...{ id, source, file: `${id}.jpg`, receivedAt: new Date().toISOString() },
    body: { bytes: Buffer.from('kitchen') },
  });
  const first = await (await daemon.pipeline.accept(photo('a', 'http'))).outcome;
  const second = await (await daemon.pipeline.accept(photo('b', 'mqtt'))).outcome;
  expect(first.ok && 'duplicate' in first.result).toBe(false);
  expect(second).toMatchObject({
    result: { id: 'b', source: 'mqtt', file: 'b.jpg', tag: 'kitchen', duplicate: true },
  });
});

#!/usr/bin/env node
// What train.py works on, as `retagger train` sees it: the network's layers, and each photo with its
// label (corrected), home, weight and side of the split. Needs `npm run build`.
//
//   node models/recipe/plan.mjs PHOTOS SOURCES.csv > plan.json

import { fileURLToPath } from 'node:url';
import { prepare } from '../../dist/training/prepare.js';
import { isAlone } from '../../dist/training/data/groups.js';

const [data, groups] = process.argv.slice(2);
if (!data || !groups) {
  process.stderr.write('usage: plan.mjs PHOTOS SOURCES.csv > plan.json\n');
  process.exit(2);
}
const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const { layers, split, groupOf, weight } = await prepare({
  ...{ data, groups, groupBy: '^houses_(\\d+)_', focus: '^(site|houses)_', focusWeight: 1 },
  labels: ['bedroom', 'bathroom', 'balcony', 'kitchen', 'hall', 'others'],
  corrections: here('corrections.csv'),
  weights: here('weights.csv'),
  base: here('../retagger-inceptionv3/weights.f16.safetensors'),
  ...{ validation: 0.15, seed: 1, examples: 1, augment: false },
  ...{ head: { epochs: 0 }, unfreeze: 'none' },
});
const row = (validation) => (photo) => ({
  file: photo.file,
  label: photo.label,
  group: groupOf(photo),
  // Of a collection of many homes, not of one home or site.
  scene: isAlone(groupOf(photo)),
  weight: weight(photo),
  validation,
});
const photos = [...split.train.map(row(false)), ...split.validation.map(row(true))];
process.stdout.write(JSON.stringify({ layers, photos }));

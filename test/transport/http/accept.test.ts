import { expect, test } from 'vitest';
import { RESULT_TYPE, wantsResult } from '../../../src/transport/http/accept.ts';

test.each([
  [undefined, false],
  ['*/*', false],
  ['application/json', false],
  ['text/html, */*;q=0.8', false],
  [RESULT_TYPE, true],
  [RESULT_TYPE.toUpperCase(), true],
  [`${RESULT_TYPE}, */*`, true],
  [`${RESULT_TYPE};q=0.5, application/json`, false],
  [`${RESULT_TYPE};q=0.9, application/json;q=0.8`, true],
  // As generated clients send it: all types of the description, of which they read the first.
  [`application/json, ${RESULT_TYPE}, application/problem+json`, false],
  [`${RESULT_TYPE}, application/json`, true],
  [`application/json;q=0.5, ${RESULT_TYPE}`, true],
  [`${RESULT_TYPE};q=0, application/json;q=0`, false],
  [`${RESULT_TYPE};q=0`, false],
  [`${RESULT_TYPE};q=x`, false],
  [',;,', false],
])('Accept: %s', (accept, full) => {
  expect(wantsResult(accept)).toBe(full);
});

/** `RETAGGER_TEST_REPORT=FILE` also writes the results as JSON, for CI. */
const file = process.env.RETAGGER_TEST_REPORT;

export const reporters = file
  ? { reporters: ['default', 'json'], outputFile: { json: file } }
  : { reporters: ['default'] };

/** All of TypeBox that is used, in one place: the build makes one file of its 700, which take 0.3 s to read. */
export { type Static, type TSchema, Type } from 'typebox';
export { Value } from 'typebox/value';

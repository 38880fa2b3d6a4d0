import { Type } from 'typebox';

/**
 * A schema that is added to the app, by its `$id`. Written out where it is used, it would be
 * another type, without a name, in each generated client.
 */
export const named = <T>($id: string) => Type.Unsafe<T>(Type.Ref(`${$id}#`));

import { type Static, Type } from 'typebox';

/** Where a photo came in. */
export const SourceSchema = Type.Unsafe<'folder' | 'mqtt' | 'http'>({
  // As a union of three literals, generated clients would make three types of it.
  type: 'string',
  enum: ['folder', 'mqtt', 'http'],
});
export type Source = Static<typeof SourceSchema>;

/** One score per label, each in 0..1, summing to 1; keys in the model's label order. */
export const ScoresSchema = Type.Record(Type.String(), Type.Number({ minimum: 0, maximum: 1 }));
export type Scores = Static<typeof ScoresSchema>;

/** The full result of one photo: what MQTT subscribers, sidecars and HTTP callers get. */
export const ResultSchema = Type.Object(
  {
    id: Type.String({ description: 'Unique per photo; repeats of a delivery carry the same id.' }),
    node: Type.String(),
    source: SourceSchema,
    file: Type.Union([Type.String(), Type.Null()], {
      description: 'Path below the ingest folder, or the name the sender gave; null without one.',
    }),
    sha256: Type.String({ description: "Hex SHA-256 of the photo's bytes." }),
    tag: Type.Union([Type.String(), Type.Null()], {
      description: "The best label; null where its score is below the label's threshold.",
    }),
    score: Type.Number({ minimum: 0, maximum: 1 }),
    scores: ScoresSchema,
    model: Type.String({ description: 'name@version of the model.' }),
    engine: Type.String(),
    width: Type.Integer({ description: 'Pixels, after EXIF orientation.' }),
    height: Type.Integer({ description: 'Pixels, after EXIF orientation.' }),
    received_at: Type.String({ description: 'RFC 3339, UTC.' }),
    tagged_at: Type.String({ description: 'RFC 3339, UTC.' }),
    ms: Type.Object({
      queued: Type.Number(),
      decode: Type.Number(),
      infer: Type.Number(),
    }),
    duplicate: Type.Optional(
      Type.Boolean({
        description: 'True when the same bytes had been tagged before and the answer was kept.',
      }),
    ),
    replayed: Type.Optional(
      Type.Boolean({ description: 'True when sent late, after the broker had been away.' }),
    ),
  },
  { $id: 'Result' },
);
export type Result = Static<typeof ResultSchema>;

/** What `<base>/error` and `NAME.error.json` say about a photo that could not be tagged. */
export const FailureSchema = Type.Object(
  {
    id: Type.String(),
    source: SourceSchema,
    file: Type.Union([Type.String(), Type.Null()]),
    code: Type.String(),
    message: Type.String(),
    replayed: Type.Optional(
      Type.Boolean({ description: 'True when sent late, after the broker had been away.' }),
    ),
  },
  { $id: 'Failure' },
);
export type Failure = Static<typeof FailureSchema>;

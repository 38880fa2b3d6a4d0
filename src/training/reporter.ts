/** What a run tells whoever watches it. */
export interface TrainReporter {
  note(text: string): void;
  /** One phase of work: `start`, then `update` up to `total`, then `end`. */
  start(phase: string, total: number): void;
  update(done: number, figures?: { readonly loss: number; readonly accuracy: number }): void;
  end(): void;
}

export const SILENT: TrainReporter = { note() {}, start() {}, update() {}, end() {} };

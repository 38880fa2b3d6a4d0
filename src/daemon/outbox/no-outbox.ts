import type { Outbox } from '../ports.ts';

/** With MQTT switched off nobody would ever empty an outbox; results go to sidecars and HTTP. */
export class NoOutbox implements Outbox {
  readonly length = 0;
  async put(): Promise<void> {}
  hold(): void {}
  async take(): Promise<readonly never[]> {
    return [];
  }
  async remove(): Promise<void> {}
  release(): void {}
  giveBack(): void {}
  onPut(): () => void {
    return () => {};
  }
}

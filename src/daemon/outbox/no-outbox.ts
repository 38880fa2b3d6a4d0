import type { OutboxInlet } from '../ports.ts';

/** With MQTT switched off nobody would ever empty an outbox; results go to sidecars and HTTP. */
export class NoOutbox implements OutboxInlet {
  readonly length = 0;
  async put(): Promise<void> {}
  hold(): void {}
}

import { describe, expect, it, vi } from 'vitest';
import { SystemdNotify } from '../../src/daemon/notify.ts';

const env = { NOTIFY_SOCKET: '/run/none', WATCHDOG_USEC: '30000' };
const parts = { log: { warn: vi.fn() }, alive: () => true, status: () => 'two\nlines' };

describe('SystemdNotify', () => {
  it('does nothing without NOTIFY_SOCKET', async () => {
    const send = vi.fn(async () => {});
    const notify = new SystemdNotify({ ...parts, env: {}, send });
    await notify.start();
    await notify.ready();
    await notify.stop();
    expect(send).not.toHaveBeenCalled();
  });

  it('never sends two messages at once, puts waiting ones together, and keeps values on one line', async () => {
    let release = () => {};
    const sent: (readonly string[])[] = [];
    const send = (assignments: readonly string[]) => {
      sent.push(assignments);
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    };
    const notify = new SystemdNotify({ ...parts, env, send });
    void notify.ready();
    void notify.ready();
    const last = notify.stopping();
    expect(sent).toHaveLength(1);
    expect(sent[0]).toEqual(['READY=1', 'STATUS=two lines']);
    release();
    await vi.waitFor(() => expect(sent).toHaveLength(2));
    expect(sent[1]).toEqual(['READY=1', 'STATUS=stopping', 'STOPPING=1']);
    release();
    await last;
    const ready = notify.ready();
    expect(sent[2]).toContain('STATUS=two lines');
    release();
    await ready;
  });

  it('feeds the watchdog only while the daemon is alive', async () => {
    let alive = false;
    const sent: string[] = [];
    const asked = vi.fn(() => alive);
    const send = async (assignments: readonly string[]) => void sent.push(...assignments);
    const notify = new SystemdNotify({ ...parts, alive: asked, env, send });
    expect(notify.interval).toBe(10);
    await notify.start();
    await vi.waitFor(() => expect(asked.mock.calls.length).toBeGreaterThan(2));
    expect(sent).not.toContain('WATCHDOG=1');
    alive = true;
    await vi.waitFor(() => expect(sent).toContain('WATCHDOG=1'));
    await notify.stop();
  });

  it('leaves a watchdog alone that is meant for another process', () => {
    const other = { ...env, WATCHDOG_PID: String(process.pid + 1) };
    expect(new SystemdNotify({ ...parts, env: other }).interval).toBeNull();
  });

  it('survives a send that fails and warns once', async () => {
    const warn = vi.fn();
    const send = async () => Promise.reject(new Error('ENOENT'));
    const notify = new SystemdNotify({ ...parts, log: { warn }, env, send });
    await notify.ready();
    await notify.ready();
    expect(warn).toHaveBeenCalledOnce();
  });
});

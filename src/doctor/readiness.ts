const ANSWER_MS = 3000;
const LONGEST = 65_536;

type Checks = Record<string, { ok?: unknown; detail?: unknown } | null>;

/**
 * `/readyz` names our checks, ready or not. It is asked without the token, which is not for a
 * stranger who holds the port; where one is set the answer has no details.
 * @returns null where it is no retagger that answers.
 */
export async function readiness(base: string): Promise<Checks | null> {
  try {
    const response = await fetch(`${base}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const { checks } = JSON.parse((await response.text()).slice(0, LONGEST));
    return ['model', 'engine', 'queue'].every((name) => name in checks) ? checks : null;
  } catch {
    return null;
  }
}

/** Each check that is not ok, with its detail. */
export const notOk = (checks: Checks): string[] =>
  Object.entries(checks)
    .filter(([, check]) => check?.ok !== true)
    .map(([name, check]) => (check?.detail ? `${name}: ${check.detail}` : name))
    // It goes to a terminal, and anyone can answer on a port.
    .map((text) => text.replace(/\p{Cc}/gu, ' '));

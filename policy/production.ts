/** Which stacks are production, where the pack's configuration does not say. */
export const PRODUCTION_STACKS: readonly string[] = ["prod", "production", "prod-*"];

/** The stack's name in a URN: `urn:pulumi:<stack>::<project>::...`. */
export function stackOf(urn: string): string {
  return /^urn:pulumi:([^:]*)::/.exec(urn)?.[1] ?? "";
}

/** Whether a stack is one of these; `*` at the end of a pattern stands for whatever follows. */
export function isProduction(stack: string, patterns: readonly string[] = PRODUCTION_STACKS): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith("*") ? stack.startsWith(pattern.slice(0, -1)) : stack === pattern,
  );
}

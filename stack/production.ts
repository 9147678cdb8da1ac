/**
 * Whether people rely on a stack: by its name (`prod`, `production`, or beginning with `prod-`), or since it is protected.
 */
export function isProduction(stack: string, protect: boolean | undefined): boolean {
  return protect === true || /^(prod|production|prod-.*)$/.test(stack);
}

import { elementsOf, fieldsOf, textOf } from "./fields";
import type { ReviewedContainer } from "./pods";

/** A variable of a container, by its name; undefined where its value stands elsewhere. */
export type Environment = (name: string) => string | undefined;

/** The container's own. Each value is read only when it is asked for: a preview may not know the others yet. */
export function environmentOf({ fields }: ReviewedContainer): Environment {
  return (name) => {
    const variable = elementsOf(fields["env"])
      .map(fieldsOf)
      .findLast((one) => textOf(one["name"]) === name);
    return textOf(variable?.["value"]);
  };
}

/** A word of `command` or `args` as the kubelet passes it on: `$(NAME)` replaced where NAME is known. */
export function substituted(word: string, environment: Environment): string {
  return word.replaceAll(/\$(?:\$|\(([A-Za-z_][\w.-]*)\))/g, (text, name: string | undefined) =>
    name === undefined ? "$" : (environment(name) ?? text),
  );
}

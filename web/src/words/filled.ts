// Texts with gaps, filled in.

/** {name} is a value, {count|object|objects} a number with its noun. */
export function filled(
  text: string,
  values: Readonly<Record<string, string | number>>,
  language: string,
): string {
  const write = (value: string | number): string =>
    typeof value === 'number' ? value.toLocaleString(language) : value;
  return text.replace(
    /\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g,
    (whole, name: string, one?: string, many?: string) => {
      const value = values[name];
      if (value === undefined) return whole;
      return one === undefined ? write(value) : `${write(value)} ${Number(value) === 1 ? one : many}`;
    },
  );
}

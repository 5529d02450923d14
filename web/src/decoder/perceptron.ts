// Fully connected layers with ReLU between them, exactly as models/companions/perceptron.py.

export interface Perceptron {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  readonly weights: readonly (readonly (readonly number[])[])[];
  readonly biases: readonly (readonly number[])[];
}

export function outputsOf(
  { mean, deviation, weights, biases }: Perceptron,
  values: readonly number[],
): number[] {
  let x = values.map((value, at) => (value - mean[at]) / deviation[at]);
  weights.forEach((matrix, layer) => {
    const last = layer === weights.length - 1;
    x = matrix.map((row, out) => {
      const sum = row.reduce((total, weight, at) => total + weight * x[at], biases[layer][out]);
      return last ? sum : Math.max(0, sum);
    });
  });
  return x;
}

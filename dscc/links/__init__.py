"""Keys between nodes: from a source that both ends have, and a chain that keeps them safe when it is not.

docs/dscc-links.md describes sources (quantum, pre-shared, ML-KEM), chain, and what each rests on. The quantum network
is simulated, and says so.
"""

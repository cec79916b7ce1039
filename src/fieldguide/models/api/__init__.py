"""What a model behind an HTTP API needs: its address, the pace of asking, bodies and answers, choices, scores by echo."""

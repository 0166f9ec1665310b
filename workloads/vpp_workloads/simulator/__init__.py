"""Simulated sites: DERs on measured or physical profiles, faster than life, each site behind a real gateway."""
